// Original file: proto/mayfly/v1/admin.proto


export interface ListDisabledRequest {
}

export interface ListDisabledRequest__Output {
}
