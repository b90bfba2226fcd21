// Original file: proto/mayfly/v1/grants.proto

import type { GrantRole as _mayfly_v1_GrantRole, GrantRole__Output as _mayfly_v1_GrantRole__Output } from '../../mayfly/v1/GrantRole.ts';
import type { Long } from '@grpc/proto-loader';

export interface PutRoleRequest {
  'role'?: (_mayfly_v1_GrantRole | null);
  'ifVersion'?: (number | string | Long);
}

export interface PutRoleRequest__Output {
  'role': (_mayfly_v1_GrantRole__Output | null);
  'ifVersion': (number);
}
