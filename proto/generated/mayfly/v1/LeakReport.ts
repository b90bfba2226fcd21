// Original file: proto/mayfly/v1/leaks.proto


export interface LeakReport {
  'publicKey'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
  'denyUnknown'?: (boolean);
  'reason'?: (string);
}

export interface LeakReport__Output {
  'publicKey': (Buffer);
  'signature': (Buffer);
  'denyUnknown': (boolean);
  'reason': (string);
}
