// Original file: proto/mayfly/v1/admin.proto

import type { Target as _mayfly_v1_Target, Target__Output as _mayfly_v1_Target__Output } from '../../mayfly/v1/Target.ts';
import type { Int64Value as _google_protobuf_Int64Value, Int64Value__Output as _google_protobuf_Int64Value__Output } from '../../google/protobuf/Int64Value.ts';

export interface RevokeRequest {
  'target'?: (_mayfly_v1_Target | null);
  'dryRun'?: (boolean);
  'rotate'?: (boolean);
  'expect'?: (_google_protobuf_Int64Value | null);
  'reason'?: (string);
}

export interface RevokeRequest__Output {
  'target': (_mayfly_v1_Target__Output | null);
  'dryRun': (boolean);
  'rotate': (boolean);
  'expect': (_google_protobuf_Int64Value__Output | null);
  'reason': (string);
}
