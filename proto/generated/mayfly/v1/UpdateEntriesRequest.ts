// Original file: proto/mayfly/v1/registry.proto

import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';
import type { EntryMask as _spire_api_types_EntryMask, EntryMask__Output as _spire_api_types_EntryMask__Output } from '../../spire/api/types/EntryMask.ts';
import type { EntryOptionsMask as _mayfly_v1_EntryOptionsMask, EntryOptionsMask__Output as _mayfly_v1_EntryOptionsMask__Output } from '../../mayfly/v1/EntryOptionsMask.ts';

export interface UpdateEntriesRequest {
  'entries'?: (_mayfly_v1_Entry)[];
  'mask'?: (_spire_api_types_EntryMask | null);
  'optionsMask'?: (_mayfly_v1_EntryOptionsMask | null);
}

export interface UpdateEntriesRequest__Output {
  'entries': (_mayfly_v1_Entry__Output)[];
  'mask': (_spire_api_types_EntryMask__Output | null);
  'optionsMask': (_mayfly_v1_EntryOptionsMask__Output | null);
}
