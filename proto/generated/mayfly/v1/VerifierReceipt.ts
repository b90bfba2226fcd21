// Original file: proto/mayfly/v1/stream.proto


export interface VerifierReceipt {
  'body'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface VerifierReceipt__Output {
  'body': (Buffer);
  'signature': (Buffer);
}
