// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface RevokeX509AuthorityRequest {
  'authorityId'?: (string);
}

export interface RevokeX509AuthorityRequest__Output {
  'authorityId': (string);
}
