// Original file: proto/mayfly/v1/registry.proto

import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';

export interface ListEntriesResponse {
  'entries'?: (_mayfly_v1_Entry)[];
  'nextPageToken'?: (string);
}

export interface ListEntriesResponse__Output {
  'entries': (_mayfly_v1_Entry__Output)[];
  'nextPageToken': (string);
}
