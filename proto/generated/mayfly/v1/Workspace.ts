// Original file: proto/mayfly/v1/grant.proto


export interface Workspace {
  'system'?: (string);
  'environment'?: (string);
  'tenant'?: (string);
}

export interface Workspace__Output {
  'system': (string);
  'environment': (string);
  'tenant': (string);
}
