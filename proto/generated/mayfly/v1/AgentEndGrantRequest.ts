// Original file: proto/mayfly/v1/grants.proto


export interface AgentEndGrantRequest {
  'grantId'?: (string);
  'cause'?: (string);
  'outcome'?: (string);
  'detail'?: (string);
}

export interface AgentEndGrantRequest__Output {
  'grantId': (string);
  'cause': (string);
  'outcome': (string);
  'detail': (string);
}
