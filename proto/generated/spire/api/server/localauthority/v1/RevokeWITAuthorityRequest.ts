// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface RevokeWITAuthorityRequest {
  'authorityId'?: (string);
}

export interface RevokeWITAuthorityRequest__Output {
  'authorityId': (string);
}
