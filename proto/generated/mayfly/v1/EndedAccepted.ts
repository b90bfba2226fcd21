// Original file: proto/mayfly/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

export interface EndedAccepted {
  'reportId'?: (number | string | Long);
}

export interface EndedAccepted__Output {
  'reportId': (number);
}
