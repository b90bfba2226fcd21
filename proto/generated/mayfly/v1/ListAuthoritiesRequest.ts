// Original file: proto/mayfly/v1/authorities.proto


export interface ListAuthoritiesRequest {
}

export interface ListAuthoritiesRequest__Output {
}
