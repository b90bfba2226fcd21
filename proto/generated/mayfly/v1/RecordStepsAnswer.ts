// Original file: proto/mayfly/v1/grants.proto


export interface RecordStepsAnswer {
}

export interface RecordStepsAnswer__Output {
}
