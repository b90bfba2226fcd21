// Original file: proto/mayfly/v1/grants.proto


export interface DenyRequest {
  'id'?: (string);
  'approver'?: (string);
  'signature'?: (string);
  'reason'?: (string);
}

export interface DenyRequest__Output {
  'id': (string);
  'approver': (string);
  'signature': (string);
  'reason': (string);
}
