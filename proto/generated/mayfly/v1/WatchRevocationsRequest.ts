// Original file: proto/mayfly/v1/stream.proto

import type { StreamPosition as _mayfly_v1_StreamPosition, StreamPosition__Output as _mayfly_v1_StreamPosition__Output } from '../../mayfly/v1/StreamPosition.ts';

export interface WatchRevocationsRequest {
  'position'?: (_mayfly_v1_StreamPosition | null);
}

export interface WatchRevocationsRequest__Output {
  'position': (_mayfly_v1_StreamPosition__Output | null);
}
