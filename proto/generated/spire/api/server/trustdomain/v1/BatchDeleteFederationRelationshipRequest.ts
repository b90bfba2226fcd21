// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto


export interface BatchDeleteFederationRelationshipRequest {
  'trustDomains'?: (string)[];
}

export interface BatchDeleteFederationRelationshipRequest__Output {
  'trustDomains': (string)[];
}
