// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface ActivateWITAuthorityRequest {
  'authorityId'?: (string);
}

export interface ActivateWITAuthorityRequest__Output {
  'authorityId': (string);
}
