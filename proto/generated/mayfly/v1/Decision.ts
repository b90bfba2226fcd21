// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface Decision {
  'at'?: (string);
  'allowed'?: (boolean);
  'reasons'?: (string)[];
  'policyHash'?: (string);
  'atMs'?: (number | string | Long);
}

export interface Decision__Output {
  'at': (string);
  'allowed': (boolean);
  'reasons': (string)[];
  'policyHash': (string);
  'atMs': (number);
}
