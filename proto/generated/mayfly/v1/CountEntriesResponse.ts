// Original file: proto/mayfly/v1/registry.proto

import type { Long } from '@grpc/proto-loader';

export interface CountEntriesResponse {
  'count'?: (number | string | Long);
}

export interface CountEntriesResponse__Output {
  'count': (number);
}
