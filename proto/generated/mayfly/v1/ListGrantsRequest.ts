// Original file: proto/mayfly/v1/grants.proto

import type { StringValue as _google_protobuf_StringValue, StringValue__Output as _google_protobuf_StringValue__Output } from '../../google/protobuf/StringValue.ts';

export interface ListGrantsRequest {
  'role'?: (_google_protobuf_StringValue | null);
  'owner'?: (_google_protobuf_StringValue | null);
  'agentId'?: (_google_protobuf_StringValue | null);
  'states'?: (string)[];
  'rootId'?: (_google_protobuf_StringValue | null);
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface ListGrantsRequest__Output {
  'role': (_google_protobuf_StringValue__Output | null);
  'owner': (_google_protobuf_StringValue__Output | null);
  'agentId': (_google_protobuf_StringValue__Output | null);
  'states': (string)[];
  'rootId': (_google_protobuf_StringValue__Output | null);
  'pageSize': (number);
  'pageToken': (string);
}
