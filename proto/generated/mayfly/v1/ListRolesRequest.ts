// Original file: proto/mayfly/v1/grants.proto


export interface ListRolesRequest {
}

export interface ListRolesRequest__Output {
}
