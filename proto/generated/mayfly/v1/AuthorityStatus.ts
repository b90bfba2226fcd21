// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface AuthorityStatus {
  'id'?: (string);
  'state'?: (string);
  'notAfterMs'?: (number | string | Long);
  'nextTransitionAtMs'?: (number | string | Long);
}

export interface AuthorityStatus__Output {
  'id': (string);
  'state': (string);
  'notAfterMs': (number);
  'nextTransitionAtMs': (number);
}
