// Original file: proto/mayfly/v1/admin.proto


export interface ListVerifiersRequest {
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface ListVerifiersRequest__Output {
  'pageSize': (number);
  'pageToken': (string);
}
