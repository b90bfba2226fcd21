// Original file: proto/spire/api/types/jwtsvid.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface JWTSVID {
  'token'?: (string);
  'id'?: (_spire_api_types_SPIFFEID | null);
  'expiresAt'?: (number | string | Long);
  'issuedAt'?: (number | string | Long);
  'hint'?: (string);
}

export interface JWTSVID__Output {
  'token': (string);
  'id': (_spire_api_types_SPIFFEID__Output | null);
  'expiresAt': (number);
  'issuedAt': (number);
  'hint': (string);
}
