// Original file: proto/spire/api/types/bundle.proto


export interface BundleMask {
  'x509Authorities'?: (boolean);
  'jwtAuthorities'?: (boolean);
  'refreshHint'?: (boolean);
  'sequenceNumber'?: (boolean);
  'witAuthorities'?: (boolean);
}

export interface BundleMask__Output {
  'x509Authorities': (boolean);
  'jwtAuthorities': (boolean);
  'refreshHint': (boolean);
  'sequenceNumber': (boolean);
  'witAuthorities': (boolean);
}
