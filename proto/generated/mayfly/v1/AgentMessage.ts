// Original file: proto/mayfly/v1/sync.proto

import type { AgentHello as _mayfly_v1_AgentHello, AgentHello__Output as _mayfly_v1_AgentHello__Output } from '../../mayfly/v1/AgentHello.ts';
import type { AgentAck as _mayfly_v1_AgentAck, AgentAck__Output as _mayfly_v1_AgentAck__Output } from '../../mayfly/v1/AgentAck.ts';
import type { EndedCredentials as _mayfly_v1_EndedCredentials, EndedCredentials__Output as _mayfly_v1_EndedCredentials__Output } from '../../mayfly/v1/EndedCredentials.ts';
import type { RelayedReports as _mayfly_v1_RelayedReports, RelayedReports__Output as _mayfly_v1_RelayedReports__Output } from '../../mayfly/v1/RelayedReports.ts';
import type { ProofOfLife as _mayfly_v1_ProofOfLife, ProofOfLife__Output as _mayfly_v1_ProofOfLife__Output } from '../../mayfly/v1/ProofOfLife.ts';

export interface AgentMessage {
  'hello'?: (_mayfly_v1_AgentHello | null);
  'ack'?: (_mayfly_v1_AgentAck | null);
  'ended'?: (_mayfly_v1_EndedCredentials | null);
  'verifiers'?: (_mayfly_v1_RelayedReports | null);
  'alive'?: (_mayfly_v1_ProofOfLife | null);
  'message'?: "hello"|"ack"|"ended"|"verifiers"|"alive";
}

export interface AgentMessage__Output {
  'hello'?: (_mayfly_v1_AgentHello__Output | null);
  'ack'?: (_mayfly_v1_AgentAck__Output | null);
  'ended'?: (_mayfly_v1_EndedCredentials__Output | null);
  'verifiers'?: (_mayfly_v1_RelayedReports__Output | null);
  'alive'?: (_mayfly_v1_ProofOfLife__Output | null);
  'message'?: "hello"|"ack"|"ended"|"verifiers"|"alive";
}
