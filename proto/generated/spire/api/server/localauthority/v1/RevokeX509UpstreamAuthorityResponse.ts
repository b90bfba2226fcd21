// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface RevokeX509UpstreamAuthorityResponse {
  'upstreamAuthoritySubjectKeyId'?: (string);
}

export interface RevokeX509UpstreamAuthorityResponse__Output {
  'upstreamAuthoritySubjectKeyId': (string);
}
