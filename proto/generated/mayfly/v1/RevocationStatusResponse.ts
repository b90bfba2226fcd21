// Original file: proto/mayfly/v1/admin.proto

import type { RevocationSpread as _mayfly_v1_RevocationSpread, RevocationSpread__Output as _mayfly_v1_RevocationSpread__Output } from '../../mayfly/v1/RevocationSpread.ts';
import type { Long } from '@grpc/proto-loader';

export interface RevocationStatusResponse {
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
  'revocations'?: (_mayfly_v1_RevocationSpread)[];
  'unregistered'?: (number | string | Long);
  'unsigned'?: (number | string | Long);
}

export interface RevocationStatusResponse__Output {
  'epoch': (number);
  'seq': (number);
  'revocations': (_mayfly_v1_RevocationSpread__Output)[];
  'unregistered': (number);
  'unsigned': (number);
}
