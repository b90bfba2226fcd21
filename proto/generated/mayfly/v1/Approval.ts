// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface Approval {
  'approver'?: (string);
  'atMs'?: (number | string | Long);
  'expiresAtMs'?: (number | string | Long);
  'signature'?: (string);
  'withdrawn'?: (boolean);
}

export interface Approval__Output {
  'approver': (string);
  'atMs': (number);
  'expiresAtMs': (number);
  'signature': (string);
  'withdrawn': (boolean);
}
