// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewDownstreamX509CAResponse {
  'caCertChain'?: (Buffer | Uint8Array | string)[];
  'x509Authorities'?: (Buffer | Uint8Array | string)[];
}

export interface NewDownstreamX509CAResponse__Output {
  'caCertChain': (Buffer)[];
  'x509Authorities': (Buffer)[];
}
