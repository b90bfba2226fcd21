// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto

import type { Long } from '@grpc/proto-loader';

export interface AuthorityState {
  'authorityId'?: (string);
  'expiresAt'?: (number | string | Long);
  'upstreamAuthoritySubjectKeyId'?: (string);
}

export interface AuthorityState__Output {
  'authorityId': (string);
  'expiresAt': (number);
  'upstreamAuthoritySubjectKeyId': (string);
}
