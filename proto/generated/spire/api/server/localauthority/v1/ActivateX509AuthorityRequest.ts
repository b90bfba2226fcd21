// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface ActivateX509AuthorityRequest {
  'authorityId'?: (string);
}

export interface ActivateX509AuthorityRequest__Output {
  'authorityId': (string);
}
