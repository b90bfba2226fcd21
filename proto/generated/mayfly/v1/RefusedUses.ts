// Original file: proto/mayfly/v1/stream.proto


export interface RefusedUses {
  'body'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface RefusedUses__Output {
  'body': (Buffer);
  'signature': (Buffer);
}
