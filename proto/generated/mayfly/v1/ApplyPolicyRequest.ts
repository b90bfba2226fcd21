// Original file: proto/mayfly/v1/grants.proto

import type { PolicySet as _mayfly_v1_PolicySet, PolicySet__Output as _mayfly_v1_PolicySet__Output } from '../../mayfly/v1/PolicySet.ts';

export interface ApplyPolicyRequest {
  'set'?: (_mayfly_v1_PolicySet | null);
  'dryRun'?: (boolean);
  'reason'?: (string);
}

export interface ApplyPolicyRequest__Output {
  'set': (_mayfly_v1_PolicySet__Output | null);
  'dryRun': (boolean);
  'reason': (string);
}
