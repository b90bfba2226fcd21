// Original file: proto/mayfly/v1/grants.proto


export interface ListApprovalsRequest {
}

export interface ListApprovalsRequest__Output {
}
