// Original file: proto/mayfly/v1/verifier.proto

import type { Long } from '@grpc/proto-loader';

export interface CheckResponse {
  'accepted'?: (boolean);
  'verdict'?: (string);
  'reason'?: (string);
  'spiffeId'?: (string);
  'serial'?: (string);
  'authorityId'?: (string);
  'notAfterMs'?: (number | string | Long);
  'class'?: (string);
  'stale'?: (boolean);
  'ageMs'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
}

export interface CheckResponse__Output {
  'accepted': (boolean);
  'verdict': (string);
  'reason': (string);
  'spiffeId': (string);
  'serial': (string);
  'authorityId': (string);
  'notAfterMs': (number);
  'class': (string);
  'stale': (boolean);
  'ageMs': (number);
  'epoch': (number);
  'seq': (number);
}
