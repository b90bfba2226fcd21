// Original file: proto/mayfly/v1/grants.proto


export interface WithdrawRequest {
  'grantId'?: (string);
  'approver'?: (string);
  'signature'?: (string);
}

export interface WithdrawRequest__Output {
  'grantId': (string);
  'approver': (string);
  'signature': (string);
}
