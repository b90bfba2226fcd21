// Original file: proto/mayfly/v1/grants.proto


export interface ListPeopleRequest {
}

export interface ListPeopleRequest__Output {
}
