// Original file: proto/mayfly/v1/admin.proto

import type { Target as _mayfly_v1_Target, Target__Output as _mayfly_v1_Target__Output } from '../../mayfly/v1/Target.ts';
import type { Long } from '@grpc/proto-loader';

export interface DisabledTarget {
  'target'?: (_mayfly_v1_Target | null);
  'reason'?: (string);
  'by'?: (string);
  'atMs'?: (number | string | Long);
}

export interface DisabledTarget__Output {
  'target': (_mayfly_v1_Target__Output | null);
  'reason': (string);
  'by': (string);
  'atMs': (number);
}
