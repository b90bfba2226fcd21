// Original file: proto/mayfly/v1/sync.proto

import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../spire/api/types/Bundle.ts';

export interface FederatedBundle {
  'trustDomain'?: (string);
  'bundle'?: (_spire_api_types_Bundle | null);
}

export interface FederatedBundle__Output {
  'trustDomain': (string);
  'bundle': (_spire_api_types_Bundle__Output | null);
}
