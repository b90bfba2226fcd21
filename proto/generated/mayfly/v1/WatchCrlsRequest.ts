// Original file: proto/mayfly/v1/crls.proto


export interface WatchCrlsRequest {
}

export interface WatchCrlsRequest__Output {
}
