// Original file: proto/mayfly/v1/admin.proto


export interface Empty {
}

export interface Empty__Output {
}
