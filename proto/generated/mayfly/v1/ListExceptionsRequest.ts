// Original file: proto/mayfly/v1/grants.proto


export interface ListExceptionsRequest {
}

export interface ListExceptionsRequest__Output {
}
