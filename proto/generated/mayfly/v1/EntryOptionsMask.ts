// Original file: proto/mayfly/v1/registry.proto


export interface EntryOptionsMask {
  'owner'?: (boolean);
  'prefetch'?: (boolean);
  'keepOnExit'?: (boolean);
  'crl'?: (boolean);
}

export interface EntryOptionsMask__Output {
  'owner': (boolean);
  'prefetch': (boolean);
  'keepOnExit': (boolean);
  'crl': (boolean);
}
