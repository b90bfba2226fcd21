// Original file: proto/mayfly/v1/sync.proto

import type { StreamPosition as _mayfly_v1_StreamPosition, StreamPosition__Output as _mayfly_v1_StreamPosition__Output } from '../../mayfly/v1/StreamPosition.ts';
import type { StreamMessage as _mayfly_v1_StreamMessage, StreamMessage__Output as _mayfly_v1_StreamMessage__Output } from '../../mayfly/v1/StreamMessage.ts';

export interface AgentHello {
  'agentVersion'?: (string);
  'position'?: (_mayfly_v1_StreamPosition | null);
  'newest'?: (_mayfly_v1_StreamMessage | null);
}

export interface AgentHello__Output {
  'agentVersion': (string);
  'position': (_mayfly_v1_StreamPosition__Output | null);
  'newest': (_mayfly_v1_StreamMessage__Output | null);
}
