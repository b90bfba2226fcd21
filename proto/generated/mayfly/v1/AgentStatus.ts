// Original file: proto/mayfly/v1/agent.proto

import type { HeldSvid as _mayfly_v1_HeldSvid, HeldSvid__Output as _mayfly_v1_HeldSvid__Output } from '../../mayfly/v1/HeldSvid.ts';
import type { NodeGrant as _mayfly_v1_NodeGrant, NodeGrant__Output as _mayfly_v1_NodeGrant__Output } from '../../mayfly/v1/NodeGrant.ts';
import type { Long } from '@grpc/proto-loader';

export interface AgentStatus {
  'version'?: (string);
  'agentId'?: (string);
  'trustDomain'?: (string);
  'serverAddress'?: (string);
  'connected'?: (boolean);
  'connectedSinceMs'?: (number | string | Long);
  'svidNotAfterMs'?: (number | string | Long);
  'entries'?: (number | string | Long);
  'svids'?: (_mayfly_v1_HeldSvid)[];
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'revocationAgeMs'?: (number | string | Long);
  'bindingTier'?: (string);
  'workloadSocket'?: (string);
  'rssBytes'?: (number | string | Long);
  'verifiers'?: (number | string | Long);
  'grants'?: (_mayfly_v1_NodeGrant)[];
  'dataDir'?: (string);
}

export interface AgentStatus__Output {
  'version': (string);
  'agentId': (string);
  'trustDomain': (string);
  'serverAddress': (string);
  'connected': (boolean);
  'connectedSinceMs': (number);
  'svidNotAfterMs': (number);
  'entries': (number);
  'svids': (_mayfly_v1_HeldSvid__Output)[];
  'epoch': (number);
  'streamSeq': (number);
  'revocationAgeMs': (number);
  'bindingTier': (string);
  'workloadSocket': (string);
  'rssBytes': (number);
  'verifiers': (number);
  'grants': (_mayfly_v1_NodeGrant__Output)[];
  'dataDir': (string);
}
