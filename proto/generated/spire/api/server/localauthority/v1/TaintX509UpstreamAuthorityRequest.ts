// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintX509UpstreamAuthorityRequest {
  'subjectKeyId'?: (string);
}

export interface TaintX509UpstreamAuthorityRequest__Output {
  'subjectKeyId': (string);
}
