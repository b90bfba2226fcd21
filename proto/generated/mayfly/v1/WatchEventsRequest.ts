// Original file: proto/mayfly/v1/admin.proto


export interface WatchEventsRequest {
}

export interface WatchEventsRequest__Output {
}
