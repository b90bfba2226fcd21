// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface OwnerEnd {
  'grants'?: (number | string | Long);
  'entries'?: (number | string | Long);
  'roles'?: (number | string | Long);
  'credentials'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
}

export interface OwnerEnd__Output {
  'grants': (number);
  'entries': (number);
  'roles': (number);
  'credentials': (number);
  'streamSeq': (number);
}
