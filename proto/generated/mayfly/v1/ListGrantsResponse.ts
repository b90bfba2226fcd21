// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';

export interface ListGrantsResponse {
  'grants'?: (_mayfly_v1_Grant)[];
  'nextPageToken'?: (string);
}

export interface ListGrantsResponse__Output {
  'grants': (_mayfly_v1_Grant__Output)[];
  'nextPageToken': (string);
}
