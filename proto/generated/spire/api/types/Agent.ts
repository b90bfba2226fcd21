// Original file: proto/spire/api/types/agent.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

export interface Agent {
  'id'?: (_spire_api_types_SPIFFEID | null);
  'attestationType'?: (string);
  'x509svidSerialNumber'?: (string);
  'x509svidExpiresAt'?: (number | string | Long);
  'selectors'?: (_spire_api_types_Selector)[];
  'banned'?: (boolean);
  'canReattest'?: (boolean);
  'agentVersion'?: (string);
}

export interface Agent__Output {
  'id': (_spire_api_types_SPIFFEID__Output | null);
  'attestationType': (string);
  'x509svidSerialNumber': (string);
  'x509svidExpiresAt': (number);
  'selectors': (_spire_api_types_Selector__Output)[];
  'banned': (boolean);
  'canReattest': (boolean);
  'agentVersion': (string);
}
