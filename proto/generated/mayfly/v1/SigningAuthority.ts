// Original file: proto/mayfly/v1/authorities.proto

import type { Long } from '@grpc/proto-loader';

export interface SigningAuthority {
  'id'?: (string);
  'state'?: (string);
  'notBeforeMs'?: (number | string | Long);
  'notAfterMs'?: (number | string | Long);
  'preparedAtMs'?: (number | string | Long);
  'activatedAtMs'?: (number | string | Long);
  'liveCredentials'?: (number | string | Long);
  'acknowledged'?: (boolean);
  'certificate'?: (Buffer | Uint8Array | string);
  'notReplaced'?: (number | string | Long);
  'above'?: (Buffer | Uint8Array | string)[];
}

export interface SigningAuthority__Output {
  'id': (string);
  'state': (string);
  'notBeforeMs': (number);
  'notAfterMs': (number);
  'preparedAtMs': (number);
  'activatedAtMs': (number);
  'liveCredentials': (number);
  'acknowledged': (boolean);
  'certificate': (Buffer);
  'notReplaced': (number);
  'above': (Buffer)[];
}
