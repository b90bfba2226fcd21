// Original file: proto/mayfly/v1/grants.proto


export interface HeartbeatAnswer {
}

export interface HeartbeatAnswer__Output {
}
