// Original file: proto/mayfly/v1/grants.proto


export interface ReplayDifference {
  'grantId'?: (string);
  'at'?: (string);
  'wasAllowed'?: (boolean);
  'nowAllowed'?: (boolean);
  'reasons'?: (string)[];
}

export interface ReplayDifference__Output {
  'grantId': (string);
  'at': (string);
  'wasAllowed': (boolean);
  'nowAllowed': (boolean);
  'reasons': (string)[];
}
