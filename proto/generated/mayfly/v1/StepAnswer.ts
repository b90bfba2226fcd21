// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface StepAnswer {
  'allowed'?: (boolean);
  'reasons'?: (string)[];
  'approvalId'?: (string);
  'stepsLeft'?: (number | string | Long);
  'policyHash'?: (string);
  'hint'?: (string);
}

export interface StepAnswer__Output {
  'allowed': (boolean);
  'reasons': (string)[];
  'approvalId': (string);
  'stepsLeft': (number);
  'policyHash': (string);
  'hint': (string);
}
