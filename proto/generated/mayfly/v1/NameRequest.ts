// Original file: proto/mayfly/v1/grants.proto


export interface NameRequest {
  'name'?: (string);
}

export interface NameRequest__Output {
  'name': (string);
}
