// Original file: proto/spire/api/server/debug/v1/debug.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_api_server_debug_v1_GetInfoResponse_Cert {
  'id'?: (_spire_api_types_SPIFFEID | null);
  'expiresAt'?: (number | string | Long);
  'subject'?: (string);
}

export interface _spire_api_server_debug_v1_GetInfoResponse_Cert__Output {
  'id': (_spire_api_types_SPIFFEID__Output | null);
  'expiresAt': (number);
  'subject': (string);
}

export interface GetInfoResponse {
  'svidChain'?: (_spire_api_server_debug_v1_GetInfoResponse_Cert)[];
  'uptime'?: (number);
  'agentsCount'?: (number);
  'federatedBundlesCount'?: (number);
  'entriesCount'?: (number);
}

export interface GetInfoResponse__Output {
  'svidChain': (_spire_api_server_debug_v1_GetInfoResponse_Cert__Output)[];
  'uptime': (number);
  'agentsCount': (number);
  'federatedBundlesCount': (number);
  'entriesCount': (number);
}
