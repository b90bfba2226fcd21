// Original file: proto/mayfly/v1/relay.proto

import type { Long } from '@grpc/proto-loader';

export interface UpstreamStatus {
  'name'?: (string);
  'current'?: (boolean);
  'connected'?: (boolean);
  'lagMs'?: (number | string | Long);
  'leftFor'?: (string);
}

export interface UpstreamStatus__Output {
  'name': (string);
  'current': (boolean);
  'connected': (boolean);
  'lagMs': (number);
  'leftFor': (string);
}
