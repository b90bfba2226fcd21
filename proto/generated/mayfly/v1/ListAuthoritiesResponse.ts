// Original file: proto/mayfly/v1/authorities.proto

import type { SigningAuthority as _mayfly_v1_SigningAuthority, SigningAuthority__Output as _mayfly_v1_SigningAuthority__Output } from '../../mayfly/v1/SigningAuthority.ts';

export interface ListAuthoritiesResponse {
  'authorities'?: (_mayfly_v1_SigningAuthority)[];
}

export interface ListAuthoritiesResponse__Output {
  'authorities': (_mayfly_v1_SigningAuthority__Output)[];
}
