// Original file: proto/mayfly/v1/grants.proto


export interface WatchGrantsRequest {
  'grantId'?: (string);
}

export interface WatchGrantsRequest__Output {
  'grantId': (string);
}
