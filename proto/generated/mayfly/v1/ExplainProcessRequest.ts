// Original file: proto/mayfly/v1/agent.proto


export interface ExplainProcessRequest {
  'pid'?: (number);
}

export interface ExplainProcessRequest__Output {
  'pid': (number);
}
