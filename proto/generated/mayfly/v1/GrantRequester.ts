// Original file: proto/mayfly/v1/grant.proto


export interface GrantRequester {
  'parentId'?: (string);
  'selectors'?: (string)[];
}

export interface GrantRequester__Output {
  'parentId': (string);
  'selectors': (string)[];
}
