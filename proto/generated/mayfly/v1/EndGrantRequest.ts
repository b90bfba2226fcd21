// Original file: proto/mayfly/v1/grants.proto


export interface EndGrantRequest {
  'grantId'?: (string);
  'cause'?: (string);
  'outcome'?: (string);
  'detail'?: (string);
}

export interface EndGrantRequest__Output {
  'grantId': (string);
  'cause': (string);
  'outcome': (string);
  'detail': (string);
}
