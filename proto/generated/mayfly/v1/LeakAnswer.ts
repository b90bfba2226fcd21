// Original file: proto/mayfly/v1/leaks.proto

import type { Long } from '@grpc/proto-loader';

export interface LeakAnswer {
  'known'?: (boolean);
  'denied'?: (boolean);
  'credentials'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'committedAtMs'?: (number | string | Long);
}

export interface LeakAnswer__Output {
  'known': (boolean);
  'denied': (boolean);
  'credentials': (number);
  'epoch': (number);
  'streamSeq': (number);
  'committedAtMs': (number);
}
