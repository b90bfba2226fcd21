// Original file: proto/mayfly/v1/agent.proto


export interface WatchAgentRequest {
}

export interface WatchAgentRequest__Output {
}
