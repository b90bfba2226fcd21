// Original file: proto/mayfly/v1/sync.proto


export interface TaintedAuthorities {
  'ids'?: (string)[];
}

export interface TaintedAuthorities__Output {
  'ids': (string)[];
}
