// Original file: proto/mayfly/v1/authorities.proto

import type { Int64Value as _google_protobuf_Int64Value, Int64Value__Output as _google_protobuf_Int64Value__Output } from '../../google/protobuf/Int64Value.ts';

export interface RevokeAuthorityRequest {
  'id'?: (string);
  'replaceActive'?: (boolean);
  'dryRun'?: (boolean);
  'expect'?: (_google_protobuf_Int64Value | null);
  'reason'?: (string);
}

export interface RevokeAuthorityRequest__Output {
  'id': (string);
  'replaceActive': (boolean);
  'dryRun': (boolean);
  'expect': (_google_protobuf_Int64Value__Output | null);
  'reason': (string);
}
