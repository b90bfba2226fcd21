// Original file: proto/mayfly/v1/grants.proto


export interface RenewGrantRequest {
  'grantId'?: (string);
}

export interface RenewGrantRequest__Output {
  'grantId': (string);
}
