// Original file: proto/mayfly/v1/grants.proto


export interface ShowGrantRequest {
  'grantId'?: (string);
}

export interface ShowGrantRequest__Output {
  'grantId': (string);
}
