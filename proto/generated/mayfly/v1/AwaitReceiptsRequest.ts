// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface AwaitReceiptsRequest {
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
}

export interface AwaitReceiptsRequest__Output {
  'epoch': (number);
  'seq': (number);
}
