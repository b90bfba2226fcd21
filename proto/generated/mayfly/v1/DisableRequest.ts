// Original file: proto/mayfly/v1/admin.proto

import type { Target as _mayfly_v1_Target, Target__Output as _mayfly_v1_Target__Output } from '../../mayfly/v1/Target.ts';

export interface DisableRequest {
  'target'?: (_mayfly_v1_Target | null);
  'reason'?: (string);
}

export interface DisableRequest__Output {
  'target': (_mayfly_v1_Target__Output | null);
  'reason': (string);
}
