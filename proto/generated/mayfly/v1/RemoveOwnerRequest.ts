// Original file: proto/mayfly/v1/grants.proto

import type { Int64Value as _google_protobuf_Int64Value, Int64Value__Output as _google_protobuf_Int64Value__Output } from '../../google/protobuf/Int64Value.ts';

export interface RemoveOwnerRequest {
  'name'?: (string);
  'endAll'?: (boolean);
  'dryRun'?: (boolean);
  'expect'?: (_google_protobuf_Int64Value | null);
}

export interface RemoveOwnerRequest__Output {
  'name': (string);
  'endAll': (boolean);
  'dryRun': (boolean);
  'expect': (_google_protobuf_Int64Value__Output | null);
}
