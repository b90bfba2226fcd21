// Original file: proto/mayfly/v1/sync.proto


export interface Renew {
  'reason'?: (string);
}

export interface Renew__Output {
  'reason': (string);
}
