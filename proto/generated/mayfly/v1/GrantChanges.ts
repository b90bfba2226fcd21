// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';

export interface GrantChanges {
  'grants'?: (_mayfly_v1_Grant)[];
  'complete'?: (boolean);
}

export interface GrantChanges__Output {
  'grants': (_mayfly_v1_Grant__Output)[];
  'complete': (boolean);
}
