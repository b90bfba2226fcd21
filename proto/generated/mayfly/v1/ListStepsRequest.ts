// Original file: proto/mayfly/v1/grants.proto


export interface ListStepsRequest {
  'grantId'?: (string);
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface ListStepsRequest__Output {
  'grantId': (string);
  'pageSize': (number);
  'pageToken': (string);
}
