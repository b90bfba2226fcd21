// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface RevokeX509UpstreamAuthorityRequest {
  'subjectKeyId'?: (string);
}

export interface RevokeX509UpstreamAuthorityRequest__Output {
  'subjectKeyId': (string);
}
