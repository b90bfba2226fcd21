// Original file: proto/mayfly/v1/registry.proto


export interface EntryOptions {
  'owner'?: (string);
  'prefetch'?: (boolean);
  'keepOnExit'?: (boolean);
  'crl'?: (boolean);
}

export interface EntryOptions__Output {
  'owner': (string);
  'prefetch': (boolean);
  'keepOnExit': (boolean);
  'crl': (boolean);
}
