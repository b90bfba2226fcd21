// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface OutsiderReport {
  'grantId'?: (string);
  'pid'?: (number | string | Long);
  'uid'?: (number | string | Long);
}

export interface OutsiderReport__Output {
  'grantId': (string);
  'pid': (number);
  'uid': (number);
}
