// Original file: proto/mayfly/v1/grants.proto


export interface OutsiderAnswer {
}

export interface OutsiderAnswer__Output {
}
