// Original file: proto/mayfly/v1/stream.proto

import type { Long } from '@grpc/proto-loader';

export interface StreamPosition {
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
  'chainHash'?: (Buffer | Uint8Array | string);
}

export interface StreamPosition__Output {
  'epoch': (number);
  'seq': (number);
  'chainHash': (Buffer);
}
