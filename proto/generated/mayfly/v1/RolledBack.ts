// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RolledBack {
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'atMs'?: (number | string | Long);
  'shownBy'?: (string);
}

export interface RolledBack__Output {
  'epoch': (number);
  'streamSeq': (number);
  'atMs': (number);
  'shownBy': (string);
}
