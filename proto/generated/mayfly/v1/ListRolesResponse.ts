// Original file: proto/mayfly/v1/grants.proto

import type { GrantRole as _mayfly_v1_GrantRole, GrantRole__Output as _mayfly_v1_GrantRole__Output } from '../../mayfly/v1/GrantRole.ts';

export interface ListRolesResponse {
  'roles'?: (_mayfly_v1_GrantRole)[];
}

export interface ListRolesResponse__Output {
  'roles': (_mayfly_v1_GrantRole__Output)[];
}
