// Original file: proto/spire/api/server/agent/v1/agent.proto

import type { Long } from '@grpc/proto-loader';

export interface PostStatusRequest {
  'currentBundleSerial'?: (number | string | Long);
  'agentVersion'?: (string);
}

export interface PostStatusRequest__Output {
  'currentBundleSerial': (number);
  'agentVersion': (string);
}
