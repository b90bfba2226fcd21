// Original file: proto/mayfly/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

export interface AgentAck {
  'bundleSequence'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
}

export interface AgentAck__Output {
  'bundleSequence': (number);
  'epoch': (number);
  'seq': (number);
}
