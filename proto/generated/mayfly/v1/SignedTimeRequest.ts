// Original file: proto/mayfly/v1/stream.proto


export interface SignedTimeRequest {
  'nonces'?: (Buffer | Uint8Array | string)[];
}

export interface SignedTimeRequest__Output {
  'nonces': (Buffer)[];
}
