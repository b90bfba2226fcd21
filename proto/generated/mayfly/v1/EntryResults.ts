// Original file: proto/mayfly/v1/registry.proto

import type { EntryResult as _mayfly_v1_EntryResult, EntryResult__Output as _mayfly_v1_EntryResult__Output } from '../../mayfly/v1/EntryResult.ts';

export interface EntryResults {
  'results'?: (_mayfly_v1_EntryResult)[];
}

export interface EntryResults__Output {
  'results': (_mayfly_v1_EntryResult__Output)[];
}
