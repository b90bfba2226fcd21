// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface Budget {
  'seconds'?: (number | string | Long);
  'renewals'?: (number);
  'steps'?: (number | string | Long);
  'children'?: (number);
  'depth'?: (number);
}

export interface Budget__Output {
  'seconds': (number);
  'renewals': (number);
  'steps': (number);
  'children': (number);
  'depth': (number);
}
