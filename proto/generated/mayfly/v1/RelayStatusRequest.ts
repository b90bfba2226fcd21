// Original file: proto/mayfly/v1/relay.proto


export interface RelayStatusRequest {
}

export interface RelayStatusRequest__Output {
}
