// Original file: proto/mayfly/v1/admin.proto

import type { RegisteredVerifier as _mayfly_v1_RegisteredVerifier, RegisteredVerifier__Output as _mayfly_v1_RegisteredVerifier__Output } from '../../mayfly/v1/RegisteredVerifier.ts';
import type { Long } from '@grpc/proto-loader';

export interface ListVerifiersResponse {
  'verifiers'?: (_mayfly_v1_RegisteredVerifier)[];
  'unregistered'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
  'nextPageToken'?: (string);
}

export interface ListVerifiersResponse__Output {
  'verifiers': (_mayfly_v1_RegisteredVerifier__Output)[];
  'unregistered': (number);
  'epoch': (number);
  'seq': (number);
  'nextPageToken': (string);
}
