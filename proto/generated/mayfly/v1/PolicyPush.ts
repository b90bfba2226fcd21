// Original file: proto/mayfly/v1/grants.proto


export interface PolicyPush {
  'hash'?: (string);
  'policies'?: (string);
}

export interface PolicyPush__Output {
  'hash': (string);
  'policies': (string);
}
