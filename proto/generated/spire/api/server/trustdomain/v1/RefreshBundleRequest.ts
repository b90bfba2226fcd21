// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto


export interface RefreshBundleRequest {
  'trustDomain'?: (string);
}

export interface RefreshBundleRequest__Output {
  'trustDomain': (string);
}
