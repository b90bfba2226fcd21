// Original file: proto/mayfly/v1/grants.proto


export interface ApproveRequest {
  'id'?: (string);
  'approver'?: (string);
  'signature'?: (string);
}

export interface ApproveRequest__Output {
  'id': (string);
  'approver': (string);
  'signature': (string);
}
