// Original file: proto/mayfly/v1/grants.proto


export interface LeaseStepsRequest {
  'grantId'?: (string);
}

export interface LeaseStepsRequest__Output {
  'grantId': (string);
}
