// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { Long } from '@grpc/proto-loader';

export interface EntryRevision {
  'id'?: (string);
  'revisionNumber'?: (number | string | Long);
  'createdAt'?: (number | string | Long);
}

export interface EntryRevision__Output {
  'id': (string);
  'revisionNumber': (number);
  'createdAt': (number);
}
