// Original file: proto/spire/api/server/agent/v1/agent.proto

import type { AgentMask as _spire_api_types_AgentMask, AgentMask__Output as _spire_api_types_AgentMask__Output } from '../../../../../spire/api/types/AgentMask.ts';
import type { SelectorMatch as _spire_api_types_SelectorMatch, SelectorMatch__Output as _spire_api_types_SelectorMatch__Output } from '../../../../../spire/api/types/SelectorMatch.ts';
import type { BoolValue as _google_protobuf_BoolValue, BoolValue__Output as _google_protobuf_BoolValue__Output } from '../../../../../google/protobuf/BoolValue.ts';

export interface _spire_api_server_agent_v1_ListAgentsRequest_Filter {
  'byAttestationType'?: (string);
  'bySelectorMatch'?: (_spire_api_types_SelectorMatch | null);
  'byBanned'?: (_google_protobuf_BoolValue | null);
  'byCanReattest'?: (_google_protobuf_BoolValue | null);
  'byExpiresBefore'?: (string);
}

export interface _spire_api_server_agent_v1_ListAgentsRequest_Filter__Output {
  'byAttestationType': (string);
  'bySelectorMatch': (_spire_api_types_SelectorMatch__Output | null);
  'byBanned': (_google_protobuf_BoolValue__Output | null);
  'byCanReattest': (_google_protobuf_BoolValue__Output | null);
  'byExpiresBefore': (string);
}

export interface ListAgentsRequest {
  'filter'?: (_spire_api_server_agent_v1_ListAgentsRequest_Filter | null);
  'outputMask'?: (_spire_api_types_AgentMask | null);
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface ListAgentsRequest__Output {
  'filter': (_spire_api_server_agent_v1_ListAgentsRequest_Filter__Output | null);
  'outputMask': (_spire_api_types_AgentMask__Output | null);
  'pageSize': (number);
  'pageToken': (string);
}
