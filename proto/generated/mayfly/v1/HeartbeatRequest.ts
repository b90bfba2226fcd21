// Original file: proto/mayfly/v1/grants.proto


export interface HeartbeatRequest {
  'grantId'?: (string);
}

export interface HeartbeatRequest__Output {
  'grantId': (string);
}
