// Original file: proto/mayfly/v1/authorities.proto

import type { SigningAuthority as _mayfly_v1_SigningAuthority, SigningAuthority__Output as _mayfly_v1_SigningAuthority__Output } from '../../mayfly/v1/SigningAuthority.ts';
import type { Long } from '@grpc/proto-loader';

export interface AuthorityEnd {
  'authority'?: (_mayfly_v1_SigningAuthority | null);
  'credentials'?: (number | string | Long);
  'workloads'?: (number | string | Long);
  'owners'?: (string)[];
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'committedAtMs'?: (number | string | Long);
}

export interface AuthorityEnd__Output {
  'authority': (_mayfly_v1_SigningAuthority__Output | null);
  'credentials': (number);
  'workloads': (number);
  'owners': (string)[];
  'epoch': (number);
  'streamSeq': (number);
  'committedAtMs': (number);
}
