// Original file: proto/mayfly/v1/grants.proto


export interface BindGrantRequest {
  'grantId'?: (string);
  'pid'?: (number);
}

export interface BindGrantRequest__Output {
  'grantId': (string);
  'pid': (number);
}
