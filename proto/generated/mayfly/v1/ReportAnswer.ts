// Original file: proto/mayfly/v1/stream.proto


export interface ReportAnswer {
  'refused'?: (string);
  'instance'?: (Buffer | Uint8Array | string);
}

export interface ReportAnswer__Output {
  'refused': (string);
  'instance': (Buffer);
}
