// Original file: proto/spire/api/types/federationrelationship.proto


export interface FederationRelationshipMask {
  'bundleEndpointUrl'?: (boolean);
  'bundleEndpointProfile'?: (boolean);
  'trustDomainBundle'?: (boolean);
}

export interface FederationRelationshipMask__Output {
  'bundleEndpointUrl': (boolean);
  'bundleEndpointProfile': (boolean);
  'trustDomainBundle': (boolean);
}
