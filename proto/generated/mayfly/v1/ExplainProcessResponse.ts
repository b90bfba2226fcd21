// Original file: proto/mayfly/v1/agent.proto

import type { EntryMatch as _mayfly_v1_EntryMatch, EntryMatch__Output as _mayfly_v1_EntryMatch__Output } from '../../mayfly/v1/EntryMatch.ts';

export interface ExplainProcessResponse {
  'pid'?: (number);
  'tier'?: (string);
  'selectors'?: (string)[];
  'entries'?: (_mayfly_v1_EntryMatch)[];
}

export interface ExplainProcessResponse__Output {
  'pid': (number);
  'tier': (string);
  'selectors': (string)[];
  'entries': (_mayfly_v1_EntryMatch__Output)[];
}
