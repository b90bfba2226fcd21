// Original file: proto/mayfly/v1/admin.proto

import type { Target as _mayfly_v1_Target, Target__Output as _mayfly_v1_Target__Output } from '../../mayfly/v1/Target.ts';

export interface EnableRequest {
  'target'?: (_mayfly_v1_Target | null);
  'reason'?: (string);
}

export interface EnableRequest__Output {
  'target': (_mayfly_v1_Target__Output | null);
  'reason': (string);
}
