// Original file: proto/mayfly/v1/authorities.proto


export interface PrepareAuthorityRequest {
}

export interface PrepareAuthorityRequest__Output {
}
