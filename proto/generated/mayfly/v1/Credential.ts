// Original file: proto/mayfly/v1/admin.proto

import type { Use as _mayfly_v1_Use, Use__Output as _mayfly_v1_Use__Output } from '../../mayfly/v1/Use.ts';
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
  'uses'?: (_mayfly_v1_Use)[];
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
  'uses': (_mayfly_v1_Use__Output)[];
}
