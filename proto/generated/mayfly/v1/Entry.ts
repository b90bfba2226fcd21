// Original file: proto/mayfly/v1/registry.proto

import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../spire/api/types/Entry.ts';
import type { EntryOptions as _mayfly_v1_EntryOptions, EntryOptions__Output as _mayfly_v1_EntryOptions__Output } from '../../mayfly/v1/EntryOptions.ts';

export interface Entry {
  'entry'?: (_spire_api_types_Entry | null);
  'options'?: (_mayfly_v1_EntryOptions | null);
  'disabled'?: (boolean);
}

export interface Entry__Output {
  'entry': (_spire_api_types_Entry__Output | null);
  'options': (_mayfly_v1_EntryOptions__Output | null);
  'disabled': (boolean);
}
