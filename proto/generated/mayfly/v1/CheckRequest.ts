// Original file: proto/mayfly/v1/verifier.proto


export interface CheckRequest {
  'chain'?: (Buffer | Uint8Array | string)[];
  'class'?: (string);
  'allow'?: (string)[];
}

export interface CheckRequest__Output {
  'chain': (Buffer)[];
  'class': (string);
  'allow': (string)[];
}
