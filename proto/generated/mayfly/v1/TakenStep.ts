// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface TakenStep {
  'grantId'?: (string);
  'action'?: (string);
  'resource'?: (string);
  'description'?: (string);
  'allowed'?: (boolean);
  'reasons'?: (string)[];
  'atMs'?: (number | string | Long);
  'policyHash'?: (string);
}

export interface TakenStep__Output {
  'grantId': (string);
  'action': (string);
  'resource': (string);
  'description': (string);
  'allowed': (boolean);
  'reasons': (string)[];
  'atMs': (number);
  'policyHash': (string);
}
