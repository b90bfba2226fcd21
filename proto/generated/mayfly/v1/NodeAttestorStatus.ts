// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface NodeAttestorStatus {
  'type'?: (string);
  'problem'?: (string);
  'authoritiesNotAfterMs'?: (number | string | Long);
}

export interface NodeAttestorStatus__Output {
  'type': (string);
  'problem': (string);
  'authoritiesNotAfterMs': (number);
}
