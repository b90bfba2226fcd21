// Original file: proto/mayfly/v1/admin.proto

import type { Verifier as _mayfly_v1_Verifier, Verifier__Output as _mayfly_v1_Verifier__Output } from '../../mayfly/v1/Verifier.ts';
import type { Long } from '@grpc/proto-loader';

export interface AwaitReceiptsResponse {
  'verifiers'?: (number | string | Long);
  'receipted'?: (number | string | Long);
  'pastLimit'?: (_mayfly_v1_Verifier)[];
  'uncovered'?: (_mayfly_v1_Verifier)[];
  'unregistered'?: (number | string | Long);
  'unsigned'?: (number | string | Long);
  'done'?: (boolean);
}

export interface AwaitReceiptsResponse__Output {
  'verifiers': (number);
  'receipted': (number);
  'pastLimit': (_mayfly_v1_Verifier__Output)[];
  'uncovered': (_mayfly_v1_Verifier__Output)[];
  'unregistered': (number);
  'unsigned': (number);
  'done': (boolean);
}
