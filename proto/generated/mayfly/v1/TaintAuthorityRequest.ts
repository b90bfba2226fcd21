// Original file: proto/mayfly/v1/authorities.proto


export interface TaintAuthorityRequest {
  'id'?: (string);
  'replaceActive'?: (boolean);
  'dryRun'?: (boolean);
  'reason'?: (string);
}

export interface TaintAuthorityRequest__Output {
  'id': (string);
  'replaceActive': (boolean);
  'dryRun': (boolean);
  'reason': (string);
}
