// Original file: proto/mayfly/v1/grant.proto

import type { Intent as _mayfly_v1_Intent, Intent__Output as _mayfly_v1_Intent__Output } from '../../mayfly/v1/Intent.ts';
import type { Budget as _mayfly_v1_Budget, Budget__Output as _mayfly_v1_Budget__Output } from '../../mayfly/v1/Budget.ts';
import type { BudgetUse as _mayfly_v1_BudgetUse, BudgetUse__Output as _mayfly_v1_BudgetUse__Output } from '../../mayfly/v1/BudgetUse.ts';
import type { Approval as _mayfly_v1_Approval, Approval__Output as _mayfly_v1_Approval__Output } from '../../mayfly/v1/Approval.ts';
import type { Decision as _mayfly_v1_Decision, Decision__Output as _mayfly_v1_Decision__Output } from '../../mayfly/v1/Decision.ts';
import type { Long } from '@grpc/proto-loader';

export interface Grant {
  'id'?: (string);
  'spiffeId'?: (string);
  'role'?: (string);
  'parentId'?: (string);
  'rootId'?: (string);
  'depth'?: (number);
  'agentId'?: (string);
  'requester'?: (string);
  'instance'?: (string);
  'owner'?: (string);
  'intent'?: (_mayfly_v1_Intent | null);
  'intentHash'?: (string);
  'requestHash'?: (string);
  'budget'?: (_mayfly_v1_Budget | null);
  'used'?: (_mayfly_v1_BudgetUse | null);
  'binding'?: (string);
  'tier'?: (string);
  'state'?: (string);
  'cause'?: (string);
  'detail'?: (string);
  'requestedAtMs'?: (number | string | Long);
  'lapsesAtMs'?: (number | string | Long);
  'activatedAtMs'?: (number | string | Long);
  'deadlineMs'?: (number | string | Long);
  'endedAtMs'?: (number | string | Long);
  'serial'?: (string);
  'notAfterMs'?: (number | string | Long);
  'approvalsNeeded'?: (number);
  'approvals'?: (_mayfly_v1_Approval)[];
  'flags'?: (string)[];
  'outcome'?: (string);
  'outcomeAsExpected'?: (boolean);
  'decision'?: (_mayfly_v1_Decision | null);
  'version'?: (number | string | Long);
  'policyHash'?: (string);
  'ttlSeconds'?: (number | string | Long);
  'roleVersion'?: (number | string | Long);
}

export interface Grant__Output {
  'id': (string);
  'spiffeId': (string);
  'role': (string);
  'parentId': (string);
  'rootId': (string);
  'depth': (number);
  'agentId': (string);
  'requester': (string);
  'instance': (string);
  'owner': (string);
  'intent': (_mayfly_v1_Intent__Output | null);
  'intentHash': (string);
  'requestHash': (string);
  'budget': (_mayfly_v1_Budget__Output | null);
  'used': (_mayfly_v1_BudgetUse__Output | null);
  'binding': (string);
  'tier': (string);
  'state': (string);
  'cause': (string);
  'detail': (string);
  'requestedAtMs': (number);
  'lapsesAtMs': (number);
  'activatedAtMs': (number);
  'deadlineMs': (number);
  'endedAtMs': (number);
  'serial': (string);
  'notAfterMs': (number);
  'approvalsNeeded': (number);
  'approvals': (_mayfly_v1_Approval__Output)[];
  'flags': (string)[];
  'outcome': (string);
  'outcomeAsExpected': (boolean);
  'decision': (_mayfly_v1_Decision__Output | null);
  'version': (number);
  'policyHash': (string);
  'ttlSeconds': (number);
  'roleVersion': (number);
}
