// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface RevokeJWTAuthorityRequest {
  'authorityId'?: (string);
}

export interface RevokeJWTAuthorityRequest__Output {
  'authorityId': (string);
}
