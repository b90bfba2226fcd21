// Original file: proto/mayfly/v1/grants.proto


export interface ListApprovalsRequest {
  'id'?: (string);
}

export interface ListApprovalsRequest__Output {
  'id': (string);
}
