// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewWITSVIDParams {
  'entryId'?: (string);
  'publicKey'?: (Buffer | Uint8Array | string);
  'signingAlgorithm'?: (string);
}

export interface NewWITSVIDParams__Output {
  'entryId': (string);
  'publicKey': (Buffer);
  'signingAlgorithm': (string);
}
