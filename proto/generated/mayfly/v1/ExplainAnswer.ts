// Original file: proto/mayfly/v1/grants.proto

import type { Decision as _mayfly_v1_Decision, Decision__Output as _mayfly_v1_Decision__Output } from '../../mayfly/v1/Decision.ts';

export interface ExplainAnswer {
  'decisions'?: (_mayfly_v1_Decision)[];
  'request'?: (string);
}

export interface ExplainAnswer__Output {
  'decisions': (_mayfly_v1_Decision__Output)[];
  'request': (string);
}
