// Original file: proto/mayfly/v1/stream.proto


export interface StreamMessage {
  'frame'?: (Buffer | Uint8Array | string);
  'signerChain'?: (Buffer | Uint8Array | string)[];
  'path'?: (Buffer | Uint8Array | string)[];
}

export interface StreamMessage__Output {
  'frame': (Buffer);
  'signerChain': (Buffer)[];
  'path': (Buffer)[];
}
