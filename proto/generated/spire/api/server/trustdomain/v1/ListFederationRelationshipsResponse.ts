// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto

import type { FederationRelationship as _spire_api_types_FederationRelationship, FederationRelationship__Output as _spire_api_types_FederationRelationship__Output } from '../../../../../spire/api/types/FederationRelationship.ts';

export interface ListFederationRelationshipsResponse {
  'federationRelationships'?: (_spire_api_types_FederationRelationship)[];
  'nextPageToken'?: (string);
}

export interface ListFederationRelationshipsResponse__Output {
  'federationRelationships': (_spire_api_types_FederationRelationship__Output)[];
  'nextPageToken': (string);
}
