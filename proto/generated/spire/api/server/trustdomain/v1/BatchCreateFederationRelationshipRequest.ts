// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto

import type { FederationRelationship as _spire_api_types_FederationRelationship, FederationRelationship__Output as _spire_api_types_FederationRelationship__Output } from '../../../../../spire/api/types/FederationRelationship.ts';
import type { FederationRelationshipMask as _spire_api_types_FederationRelationshipMask, FederationRelationshipMask__Output as _spire_api_types_FederationRelationshipMask__Output } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface BatchCreateFederationRelationshipRequest {
  'federationRelationships'?: (_spire_api_types_FederationRelationship)[];
  'outputMask'?: (_spire_api_types_FederationRelationshipMask | null);
}

export interface BatchCreateFederationRelationshipRequest__Output {
  'federationRelationships': (_spire_api_types_FederationRelationship__Output)[];
  'outputMask': (_spire_api_types_FederationRelationshipMask__Output | null);
}
