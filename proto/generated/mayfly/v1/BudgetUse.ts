// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface BudgetUse {
  'renewals'?: (number);
  'steps'?: (number | string | Long);
  'children'?: (number);
}

export interface BudgetUse__Output {
  'renewals': (number);
  'steps': (number);
  'children': (number);
}
