// Original file: proto/mayfly/v1/agent.proto


export interface EntryMatch {
  'entryId'?: (string);
  'spiffeId'?: (string);
  'matched'?: (boolean);
  'missingSelectors'?: (string)[];
  'note'?: (string);
}

export interface EntryMatch__Output {
  'entryId': (string);
  'spiffeId': (string);
  'matched': (boolean);
  'missingSelectors': (string)[];
  'note': (string);
}
