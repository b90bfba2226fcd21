// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface GrantCounts {
  'pending'?: (number | string | Long);
  'approved'?: (number | string | Long);
  'active'?: (number | string | Long);
  'suspended'?: (number | string | Long);
  'ending'?: (number | string | Long);
  'stepsWaiting'?: (number | string | Long);
}

export interface GrantCounts__Output {
  'pending': (number);
  'approved': (number);
  'active': (number);
  'suspended': (number);
  'ending': (number);
  'stepsWaiting': (number);
}
