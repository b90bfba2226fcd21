// Original file: proto/mayfly/v1/agent.proto

import type { Long } from '@grpc/proto-loader';

export interface NodeGrant {
  'id'?: (string);
  'spiffeId'?: (string);
  'role'?: (string);
  'state'?: (string);
  'tier'?: (string);
  'deadlineMs'?: (number | string | Long);
  'notAfterMs'?: (number | string | Long);
  'pid'?: (number);
}

export interface NodeGrant__Output {
  'id': (string);
  'spiffeId': (string);
  'role': (string);
  'state': (string);
  'tier': (string);
  'deadlineMs': (number);
  'notAfterMs': (number);
  'pid': (number);
}
