// Original file: proto/mayfly/v1/registry.proto

import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';

export interface CreateEntriesRequest {
  'entries'?: (_mayfly_v1_Entry)[];
  'dryRun'?: (boolean);
}

export interface CreateEntriesRequest__Output {
  'entries': (_mayfly_v1_Entry__Output)[];
  'dryRun': (boolean);
}
