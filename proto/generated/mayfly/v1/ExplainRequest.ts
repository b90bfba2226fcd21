// Original file: proto/mayfly/v1/grants.proto


export interface ExplainRequest {
  'grantId'?: (string);
}

export interface ExplainRequest__Output {
  'grantId': (string);
}
