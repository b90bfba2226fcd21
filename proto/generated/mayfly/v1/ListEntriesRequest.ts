// Original file: proto/mayfly/v1/registry.proto

import type { EntryFilter as _mayfly_v1_EntryFilter, EntryFilter__Output as _mayfly_v1_EntryFilter__Output } from '../../mayfly/v1/EntryFilter.ts';

export interface ListEntriesRequest {
  'filter'?: (_mayfly_v1_EntryFilter | null);
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface ListEntriesRequest__Output {
  'filter': (_mayfly_v1_EntryFilter__Output | null);
  'pageSize': (number);
  'pageToken': (string);
}
