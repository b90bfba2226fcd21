// Original file: proto/mayfly/v1/grants.proto


export interface ProbeResult {
  'name'?: (string);
  'ok'?: (boolean);
  'value'?: (string);
}

export interface ProbeResult__Output {
  'name': (string);
  'ok': (boolean);
  'value': (string);
}
