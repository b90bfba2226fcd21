// Original file: proto/mayfly/v1/admin.proto

import type { RegisteredVerifier as _mayfly_v1_RegisteredVerifier, RegisteredVerifier__Output as _mayfly_v1_RegisteredVerifier__Output } from '../../mayfly/v1/RegisteredVerifier.ts';
import type { Long } from '@grpc/proto-loader';

export interface AwaitReceiptsResponse {
  'verifiers'?: (number | string | Long);
  'receipted'?: (number | string | Long);
  'pastLimit'?: (_mayfly_v1_RegisteredVerifier)[];
  'uncovered'?: (_mayfly_v1_RegisteredVerifier)[];
  'unregistered'?: (number | string | Long);
  'unsigned'?: (number | string | Long);
  'done'?: (boolean);
}

export interface AwaitReceiptsResponse__Output {
  'verifiers': (number);
  'receipted': (number);
  'pastLimit': (_mayfly_v1_RegisteredVerifier__Output)[];
  'uncovered': (_mayfly_v1_RegisteredVerifier__Output)[];
  'unregistered': (number);
  'unsigned': (number);
  'done': (boolean);
}
