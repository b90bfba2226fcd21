// Original file: proto/mayfly/v1/grants.proto

import type { StepTerms as _mayfly_v1_StepTerms, StepTerms__Output as _mayfly_v1_StepTerms__Output } from '../../mayfly/v1/StepTerms.ts';

export interface GrantTerms {
  'grantId'?: (string);
  'terms'?: (_mayfly_v1_StepTerms | null);
}

export interface GrantTerms__Output {
  'grantId': (string);
  'terms': (_mayfly_v1_StepTerms__Output | null);
}
