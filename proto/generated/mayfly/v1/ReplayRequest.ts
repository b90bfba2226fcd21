// Original file: proto/mayfly/v1/grants.proto

import type { PolicySet as _mayfly_v1_PolicySet, PolicySet__Output as _mayfly_v1_PolicySet__Output } from '../../mayfly/v1/PolicySet.ts';
import type { Long } from '@grpc/proto-loader';

export interface ReplayRequest {
  'set'?: (_mayfly_v1_PolicySet | null);
  'sinceMs'?: (number | string | Long);
}

export interface ReplayRequest__Output {
  'set': (_mayfly_v1_PolicySet__Output | null);
  'sinceMs': (number);
}
