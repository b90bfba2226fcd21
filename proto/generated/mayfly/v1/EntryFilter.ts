// Original file: proto/mayfly/v1/registry.proto

import type { StringValue as _google_protobuf_StringValue, StringValue__Output as _google_protobuf_StringValue__Output } from '../../google/protobuf/StringValue.ts';
import type { SelectorMatch as _spire_api_types_SelectorMatch, SelectorMatch__Output as _spire_api_types_SelectorMatch__Output } from '../../spire/api/types/SelectorMatch.ts';
import type { BoolValue as _google_protobuf_BoolValue, BoolValue__Output as _google_protobuf_BoolValue__Output } from '../../google/protobuf/BoolValue.ts';

export interface EntryFilter {
  'spiffeId'?: (_google_protobuf_StringValue | null);
  'parentId'?: (_google_protobuf_StringValue | null);
  'selectors'?: (_spire_api_types_SelectorMatch | null);
  'owner'?: (_google_protobuf_StringValue | null);
  'disabled'?: (_google_protobuf_BoolValue | null);
  'hint'?: (_google_protobuf_StringValue | null);
}

export interface EntryFilter__Output {
  'spiffeId': (_google_protobuf_StringValue__Output | null);
  'parentId': (_google_protobuf_StringValue__Output | null);
  'selectors': (_spire_api_types_SelectorMatch__Output | null);
  'owner': (_google_protobuf_StringValue__Output | null);
  'disabled': (_google_protobuf_BoolValue__Output | null);
  'hint': (_google_protobuf_StringValue__Output | null);
}
