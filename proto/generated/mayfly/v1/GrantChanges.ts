// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';
import type { GrantTerms as _mayfly_v1_GrantTerms, GrantTerms__Output as _mayfly_v1_GrantTerms__Output } from '../../mayfly/v1/GrantTerms.ts';

export interface GrantChanges {
  'grants'?: (_mayfly_v1_Grant)[];
  'complete'?: (boolean);
  'terms'?: (_mayfly_v1_GrantTerms)[];
}

export interface GrantChanges__Output {
  'grants': (_mayfly_v1_Grant__Output)[];
  'complete': (boolean);
  'terms': (_mayfly_v1_GrantTerms__Output)[];
}
