// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto

import type { FederationRelationship as _spire_api_types_FederationRelationship, FederationRelationship__Output as _spire_api_types_FederationRelationship__Output } from '../../../../../spire/api/types/FederationRelationship.ts';
import type { FederationRelationshipMask as _spire_api_types_FederationRelationshipMask, FederationRelationshipMask__Output as _spire_api_types_FederationRelationshipMask__Output } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface BatchUpdateFederationRelationshipRequest {
  'federationRelationships'?: (_spire_api_types_FederationRelationship)[];
  'inputMask'?: (_spire_api_types_FederationRelationshipMask | null);
  'outputMask'?: (_spire_api_types_FederationRelationshipMask | null);
}

export interface BatchUpdateFederationRelationshipRequest__Output {
  'federationRelationships': (_spire_api_types_FederationRelationship__Output)[];
  'inputMask': (_spire_api_types_FederationRelationshipMask__Output | null);
  'outputMask': (_spire_api_types_FederationRelationshipMask__Output | null);
}
