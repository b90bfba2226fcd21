// Original file: proto/mayfly/v1/grants.proto

import type { ReplayDifference as _mayfly_v1_ReplayDifference, ReplayDifference__Output as _mayfly_v1_ReplayDifference__Output } from '../../mayfly/v1/ReplayDifference.ts';
import type { Long } from '@grpc/proto-loader';

export interface ReplayAnswer {
  'requests'?: (number | string | Long);
  'differences'?: (_mayfly_v1_ReplayDifference)[];
}

export interface ReplayAnswer__Output {
  'requests': (number);
  'differences': (_mayfly_v1_ReplayDifference__Output)[];
}
