// Original file: proto/mayfly/v1/admin.proto

import type { RegisteredVerifier as _mayfly_v1_RegisteredVerifier, RegisteredVerifier__Output as _mayfly_v1_RegisteredVerifier__Output } from '../../mayfly/v1/RegisteredVerifier.ts';
import type { Long } from '@grpc/proto-loader';

export interface RevocationSpread {
  'seq'?: (number | string | Long);
  'committedAtMs'?: (number | string | Long);
  'events'?: (number | string | Long);
  'receipted'?: (number | string | Long);
  'verifiers'?: (number | string | Long);
  'p50Ms'?: (number | string | Long);
  'p99Ms'?: (number | string | Long);
  'maxMs'?: (number | string | Long);
  'missing'?: (_mayfly_v1_RegisteredVerifier)[];
}

export interface RevocationSpread__Output {
  'seq': (number);
  'committedAtMs': (number);
  'events': (number);
  'receipted': (number);
  'verifiers': (number);
  'p50Ms': (number);
  'p99Ms': (number);
  'maxMs': (number);
  'missing': (_mayfly_v1_RegisteredVerifier__Output)[];
}
