// Original file: proto/spire/api/types/bundle.proto

import type { Long } from '@grpc/proto-loader';

export interface WITKey {
  'publicKey'?: (Buffer | Uint8Array | string);
  'keyId'?: (string);
  'expiresAt'?: (number | string | Long);
  'tainted'?: (boolean);
}

export interface WITKey__Output {
  'publicKey': (Buffer);
  'keyId': (string);
  'expiresAt': (number);
  'tainted': (boolean);
}
