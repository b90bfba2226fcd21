// Original file: proto/mayfly/v1/grants.proto

import type { Owner as _mayfly_v1_Owner, Owner__Output as _mayfly_v1_Owner__Output } from '../../mayfly/v1/Owner.ts';

export interface ListOwnersResponse {
  'owners'?: (_mayfly_v1_Owner)[];
  'unowned'?: (string)[];
}

export interface ListOwnersResponse__Output {
  'owners': (_mayfly_v1_Owner__Output)[];
  'unowned': (string)[];
}
