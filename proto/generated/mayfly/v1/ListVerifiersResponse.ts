// Original file: proto/mayfly/v1/admin.proto

import type { Verifier as _mayfly_v1_Verifier, Verifier__Output as _mayfly_v1_Verifier__Output } from '../../mayfly/v1/Verifier.ts';
import type { Long } from '@grpc/proto-loader';

export interface ListVerifiersResponse {
  'verifiers'?: (_mayfly_v1_Verifier)[];
  'unregistered'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
}

export interface ListVerifiersResponse__Output {
  'verifiers': (_mayfly_v1_Verifier__Output)[];
  'unregistered': (number);
  'epoch': (number);
  'seq': (number);
}
