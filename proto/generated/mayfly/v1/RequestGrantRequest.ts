// Original file: proto/mayfly/v1/grants.proto

import type { Intent as _mayfly_v1_Intent, Intent__Output as _mayfly_v1_Intent__Output } from '../../mayfly/v1/Intent.ts';
import type { Budget as _mayfly_v1_Budget, Budget__Output as _mayfly_v1_Budget__Output } from '../../mayfly/v1/Budget.ts';
import type { Long } from '@grpc/proto-loader';

export interface RequestGrantRequest {
  'spiffeId'?: (string);
  'role'?: (string);
  'intent'?: (_mayfly_v1_Intent | null);
  'ttlSeconds'?: (number | string | Long);
  'budget'?: (_mayfly_v1_Budget | null);
  'binding'?: (string);
}

export interface RequestGrantRequest__Output {
  'spiffeId': (string);
  'role': (string);
  'intent': (_mayfly_v1_Intent__Output | null);
  'ttlSeconds': (number);
  'budget': (_mayfly_v1_Budget__Output | null);
  'binding': (string);
}
