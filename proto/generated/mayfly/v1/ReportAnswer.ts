// Original file: proto/mayfly/v1/stream.proto


export interface ReportAnswer {
  'refused'?: (string);
}

export interface ReportAnswer__Output {
  'refused': (string);
}
