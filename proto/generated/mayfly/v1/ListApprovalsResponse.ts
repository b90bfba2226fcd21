// Original file: proto/mayfly/v1/grants.proto

import type { PendingApproval as _mayfly_v1_PendingApproval, PendingApproval__Output as _mayfly_v1_PendingApproval__Output } from '../../mayfly/v1/PendingApproval.ts';

export interface ListApprovalsResponse {
  'approvals'?: (_mayfly_v1_PendingApproval)[];
}

export interface ListApprovalsResponse__Output {
  'approvals': (_mayfly_v1_PendingApproval__Output)[];
}
