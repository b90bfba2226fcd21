// Original file: proto/mayfly/v1/grants.proto


export interface Nothing {
}

export interface Nothing__Output {
}
