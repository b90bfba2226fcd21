// Original file: proto/mayfly/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

export interface EndedCredentials {
  'serials'?: (Buffer | Uint8Array | string)[];
  'reportId'?: (number | string | Long);
}

export interface EndedCredentials__Output {
  'serials': (Buffer)[];
  'reportId': (number);
}
