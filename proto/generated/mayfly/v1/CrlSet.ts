// Original file: proto/mayfly/v1/crls.proto


export interface CrlSet {
  'crls'?: (Buffer | Uint8Array | string)[];
}

export interface CrlSet__Output {
  'crls': (Buffer)[];
}
