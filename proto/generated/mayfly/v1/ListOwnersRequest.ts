// Original file: proto/mayfly/v1/grants.proto


export interface ListOwnersRequest {
}

export interface ListOwnersRequest__Output {
}
