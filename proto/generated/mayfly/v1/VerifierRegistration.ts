// Original file: proto/mayfly/v1/stream.proto


export interface VerifierRegistration {
  'body'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
  'svidChain'?: (Buffer | Uint8Array | string)[];
}

export interface VerifierRegistration__Output {
  'body': (Buffer);
  'signature': (Buffer);
  'svidChain': (Buffer)[];
}
