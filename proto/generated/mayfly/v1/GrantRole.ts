// Original file: proto/mayfly/v1/grant.proto

import type { GrantRequester as _mayfly_v1_GrantRequester, GrantRequester__Output as _mayfly_v1_GrantRequester__Output } from '../../mayfly/v1/GrantRequester.ts';
import type { AllowedIntent as _mayfly_v1_AllowedIntent, AllowedIntent__Output as _mayfly_v1_AllowedIntent__Output } from '../../mayfly/v1/AllowedIntent.ts';
import type { Budget as _mayfly_v1_Budget, Budget__Output as _mayfly_v1_Budget__Output } from '../../mayfly/v1/Budget.ts';
import type { Long } from '@grpc/proto-loader';

export interface GrantRole {
  'name'?: (string);
  'spiffeId'?: (string);
  'owner'?: (string);
  'requesters'?: (_mayfly_v1_GrantRequester)[];
  'intents'?: (_mayfly_v1_AllowedIntent)[];
  'budget'?: (_mayfly_v1_Budget | null);
  'credentialTtlSeconds'?: (number | string | Long);
  'approvalTtlSeconds'?: (number | string | Long);
  'approvals'?: (number);
  'approvers'?: (string)[];
  'minTier'?: (string);
  'progressSeconds'?: (number | string | Long);
  'endOnSecondUse'?: (boolean);
  'confirmActions'?: (string)[];
  'approveActions'?: (string)[];
  'probes'?: (string)[];
  'version'?: (number | string | Long);
  'fromInside'?: (boolean);
}

export interface GrantRole__Output {
  'name': (string);
  'spiffeId': (string);
  'owner': (string);
  'requesters': (_mayfly_v1_GrantRequester__Output)[];
  'intents': (_mayfly_v1_AllowedIntent__Output)[];
  'budget': (_mayfly_v1_Budget__Output | null);
  'credentialTtlSeconds': (number);
  'approvalTtlSeconds': (number);
  'approvals': (number);
  'approvers': (string)[];
  'minTier': (string);
  'progressSeconds': (number);
  'endOnSecondUse': (boolean);
  'confirmActions': (string)[];
  'approveActions': (string)[];
  'probes': (string)[];
  'version': (number);
  'fromInside': (boolean);
}
