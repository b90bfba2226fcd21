// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintWITAuthorityRequest {
  'authorityId'?: (string);
}

export interface TaintWITAuthorityRequest__Output {
  'authorityId': (string);
}
