// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface ActivateJWTAuthorityRequest {
  'authorityId'?: (string);
}

export interface ActivateJWTAuthorityRequest__Output {
  'authorityId': (string);
}
