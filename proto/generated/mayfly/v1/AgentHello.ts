// Original file: proto/mayfly/v1/sync.proto

import type { StreamPosition as _mayfly_v1_StreamPosition, StreamPosition__Output as _mayfly_v1_StreamPosition__Output } from '../../mayfly/v1/StreamPosition.ts';

export interface AgentHello {
  'agentVersion'?: (string);
  'position'?: (_mayfly_v1_StreamPosition | null);
}

export interface AgentHello__Output {
  'agentVersion': (string);
  'position': (_mayfly_v1_StreamPosition__Output | null);
}
