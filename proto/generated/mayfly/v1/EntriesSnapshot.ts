// Original file: proto/mayfly/v1/sync.proto

import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';

export interface EntriesSnapshot {
  'entries'?: (_mayfly_v1_Entry)[];
  'complete'?: (boolean);
}

export interface EntriesSnapshot__Output {
  'entries': (_mayfly_v1_Entry__Output)[];
  'complete': (boolean);
}
