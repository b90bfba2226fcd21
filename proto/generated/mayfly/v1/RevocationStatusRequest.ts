// Original file: proto/mayfly/v1/admin.proto


export interface RevocationStatusRequest {
  'limit'?: (number);
}

export interface RevocationStatusRequest__Output {
  'limit': (number);
}
