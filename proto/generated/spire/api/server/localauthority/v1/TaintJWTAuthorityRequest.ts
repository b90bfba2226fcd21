// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintJWTAuthorityRequest {
  'authorityId'?: (string);
}

export interface TaintJWTAuthorityRequest__Output {
  'authorityId': (string);
}
