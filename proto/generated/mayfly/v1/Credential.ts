// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface Credential {
  'serial'?: (string);
  'kind'?: (string);
  'spiffeId'?: (string);
  'entryId'?: (string);
  'agentId'?: (string);
  'owner'?: (string);
  'state'?: (string);
  'cause'?: (string);
  'reason'?: (string);
  'authorityId'?: (string);
  'issuedAtMs'?: (number | string | Long);
  'notAfterMs'?: (number | string | Long);
  'endedAtMs'?: (number | string | Long);
}

export interface Credential__Output {
  'serial': (string);
  'kind': (string);
  'spiffeId': (string);
  'entryId': (string);
  'agentId': (string);
  'owner': (string);
  'state': (string);
  'cause': (string);
  'reason': (string);
  'authorityId': (string);
  'issuedAtMs': (number);
  'notAfterMs': (number);
  'endedAtMs': (number);
}
