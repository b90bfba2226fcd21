// Original file: proto/spire/api/server/agent/v1/agent.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface CreateJoinTokenRequest {
  'ttl'?: (number);
  'token'?: (string);
  'agentId'?: (_spire_api_types_SPIFFEID | null);
}

export interface CreateJoinTokenRequest__Output {
  'ttl': (number);
  'token': (string);
  'agentId': (_spire_api_types_SPIFFEID__Output | null);
}
