// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RegisteredVerifier {
  'instance'?: (string);
  'spiffeId'?: (string);
  'class'?: (string);
  'software'?: (string);
  'agentId'?: (string);
  'registeredAtMs'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
  'receiptAtMs'?: (number | string | Long);
  'stateDiffers'?: (boolean);
  'unsigned'?: (boolean);
}

export interface RegisteredVerifier__Output {
  'instance': (string);
  'spiffeId': (string);
  'class': (string);
  'software': (string);
  'agentId': (string);
  'registeredAtMs': (number);
  'epoch': (number);
  'seq': (number);
  'receiptAtMs': (number);
  'stateDiffers': (boolean);
  'unsigned': (boolean);
}
