// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintX509UpstreamAuthorityResponse {
  'upstreamAuthoritySubjectKeyId'?: (string);
}

export interface TaintX509UpstreamAuthorityResponse__Output {
  'upstreamAuthoritySubjectKeyId': (string);
}
