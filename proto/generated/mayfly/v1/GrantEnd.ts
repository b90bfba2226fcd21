// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';
import type { Long } from '@grpc/proto-loader';

export interface GrantEnd {
  'grant'?: (_mayfly_v1_Grant | null);
  'grants'?: (number | string | Long);
  'credentials'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'committedAtMs'?: (number | string | Long);
}

export interface GrantEnd__Output {
  'grant': (_mayfly_v1_Grant__Output | null);
  'grants': (number);
  'credentials': (number);
  'epoch': (number);
  'streamSeq': (number);
  'committedAtMs': (number);
}
