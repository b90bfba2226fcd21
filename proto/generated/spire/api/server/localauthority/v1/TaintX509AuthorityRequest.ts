// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintX509AuthorityRequest {
  'authorityId'?: (string);
}

export interface TaintX509AuthorityRequest__Output {
  'authorityId': (string);
}
