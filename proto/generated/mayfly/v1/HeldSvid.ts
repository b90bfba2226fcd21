// Original file: proto/mayfly/v1/agent.proto

import type { Long } from '@grpc/proto-loader';

export interface HeldSvid {
  'entryId'?: (string);
  'spiffeId'?: (string);
  'serial'?: (string);
  'notAfterMs'?: (number | string | Long);
  'rotatesAtMs'?: (number | string | Long);
  'holders'?: (number)[];
}

export interface HeldSvid__Output {
  'entryId': (string);
  'spiffeId': (string);
  'serial': (string);
  'notAfterMs': (number);
  'rotatesAtMs': (number);
  'holders': (number)[];
}
