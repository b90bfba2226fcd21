// Original file: proto/mayfly/v1/sync.proto

import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';

export interface EntriesChange {
  'upserted'?: (_mayfly_v1_Entry)[];
  'deletedIds'?: (string)[];
}

export interface EntriesChange__Output {
  'upserted': (_mayfly_v1_Entry__Output)[];
  'deletedIds': (string)[];
}
