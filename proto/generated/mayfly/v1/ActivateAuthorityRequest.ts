// Original file: proto/mayfly/v1/authorities.proto


export interface ActivateAuthorityRequest {
  'id'?: (string);
  'force'?: (boolean);
}

export interface ActivateAuthorityRequest__Output {
  'id': (string);
  'force': (boolean);
}
