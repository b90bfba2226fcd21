// Original file: proto/mayfly/v1/settings.proto


export interface ReloadResponse {
  'applied'?: (string)[];
  'waiting'?: (string)[];
  'problems'?: (string)[];
}

export interface ReloadResponse__Output {
  'applied': (string)[];
  'waiting': (string)[];
  'problems': (string)[];
}
