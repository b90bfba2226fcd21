// Original file: proto/mayfly/v1/registry.proto

import type { EntryFilter as _mayfly_v1_EntryFilter, EntryFilter__Output as _mayfly_v1_EntryFilter__Output } from '../../mayfly/v1/EntryFilter.ts';

export interface CountEntriesRequest {
  'filter'?: (_mayfly_v1_EntryFilter | null);
}

export interface CountEntriesRequest__Output {
  'filter': (_mayfly_v1_EntryFilter__Output | null);
}
