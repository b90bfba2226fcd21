// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface StepRequest {
  'grantId'?: (string);
  'action'?: (string);
  'resource'?: (string);
  'description'?: (string);
  'waitSeconds'?: (number | string | Long);
}

export interface StepRequest__Output {
  'grantId': (string);
  'action': (string);
  'resource': (string);
  'description': (string);
  'waitSeconds': (number);
}
