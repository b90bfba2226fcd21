// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface LeaseStepsAnswer {
  'steps'?: (number | string | Long);
}

export interface LeaseStepsAnswer__Output {
  'steps': (number);
}
