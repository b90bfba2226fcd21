// Original file: proto/mayfly/v1/grants.proto


export interface PolicySet {
  'policies'?: ({[key: string]: string});
}

export interface PolicySet__Output {
  'policies': ({[key: string]: string});
}
