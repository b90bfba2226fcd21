// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RevokeResponse {
  'credentials'?: (number | string | Long);
  'workloads'?: (number | string | Long);
  'owners'?: (string)[];
  'serials'?: (string)[];
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'committedAtMs'?: (number | string | Long);
  'disabled'?: (boolean);
}

export interface RevokeResponse__Output {
  'credentials': (number);
  'workloads': (number);
  'owners': (string)[];
  'serials': (string)[];
  'epoch': (number);
  'streamSeq': (number);
  'committedAtMs': (number);
  'disabled': (boolean);
}
