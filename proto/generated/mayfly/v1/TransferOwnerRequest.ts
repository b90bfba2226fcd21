// Original file: proto/mayfly/v1/grants.proto


export interface TransferOwnerRequest {
  'from'?: (string);
  'to'?: (string);
}

export interface TransferOwnerRequest__Output {
  'from': (string);
  'to': (string);
}
