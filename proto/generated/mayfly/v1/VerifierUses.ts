// Original file: proto/mayfly/v1/stream.proto


export interface VerifierUses {
  'body'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface VerifierUses__Output {
  'body': (Buffer);
  'signature': (Buffer);
}
