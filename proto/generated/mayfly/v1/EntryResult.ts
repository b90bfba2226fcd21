// Original file: proto/mayfly/v1/registry.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../spire/api/types/Status.ts';
import type { Entry as _mayfly_v1_Entry, Entry__Output as _mayfly_v1_Entry__Output } from '../../mayfly/v1/Entry.ts';

export interface EntryResult {
  'status'?: (_spire_api_types_Status | null);
  'entry'?: (_mayfly_v1_Entry | null);
}

export interface EntryResult__Output {
  'status': (_spire_api_types_Status__Output | null);
  'entry': (_mayfly_v1_Entry__Output | null);
}
