// Original file: proto/spire/api/agent/delegatedidentity/v1/delegatedidentity.proto

import type { X509SVIDWithKey as _spire_api_agent_delegatedidentity_v1_X509SVIDWithKey, X509SVIDWithKey__Output as _spire_api_agent_delegatedidentity_v1_X509SVIDWithKey__Output } from '../../../../../spire/api/agent/delegatedidentity/v1/X509SVIDWithKey.ts';

export interface SubscribeToX509SVIDsResponse {
  'x509Svids'?: (_spire_api_agent_delegatedidentity_v1_X509SVIDWithKey)[];
  'federatesWith'?: (string)[];
}

export interface SubscribeToX509SVIDsResponse__Output {
  'x509Svids': (_spire_api_agent_delegatedidentity_v1_X509SVIDWithKey__Output)[];
  'federatesWith': (string)[];
}
