// Original file: proto/mayfly/v1/settings.proto


export interface ReloadRequest {
}

export interface ReloadRequest__Output {
}
