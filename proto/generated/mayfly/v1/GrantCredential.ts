// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';
import type { StepTerms as _mayfly_v1_StepTerms, StepTerms__Output as _mayfly_v1_StepTerms__Output } from '../../mayfly/v1/StepTerms.ts';

export interface GrantCredential {
  'grant'?: (_mayfly_v1_Grant | null);
  'chain'?: (Buffer | Uint8Array | string)[];
  'terms'?: (_mayfly_v1_StepTerms | null);
}

export interface GrantCredential__Output {
  'grant': (_mayfly_v1_Grant__Output | null);
  'chain': (Buffer)[];
  'terms': (_mayfly_v1_StepTerms__Output | null);
}
