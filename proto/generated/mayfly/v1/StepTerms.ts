// Original file: proto/mayfly/v1/grants.proto

import type { AllowedIntent as _mayfly_v1_AllowedIntent, AllowedIntent__Output as _mayfly_v1_AllowedIntent__Output } from '../../mayfly/v1/AllowedIntent.ts';
import type { Long } from '@grpc/proto-loader';

export interface StepTerms {
  'intents'?: (_mayfly_v1_AllowedIntent)[];
  'confirmActions'?: (string)[];
  'approveActions'?: (string)[];
  'leasedSteps'?: (number | string | Long);
  'probes'?: (string)[];
  'waived'?: (boolean);
  'progressSeconds'?: (number | string | Long);
  'maxTtlSeconds'?: (number | string | Long);
}

export interface StepTerms__Output {
  'intents': (_mayfly_v1_AllowedIntent__Output)[];
  'confirmActions': (string)[];
  'approveActions': (string)[];
  'leasedSteps': (number);
  'probes': (string)[];
  'waived': (boolean);
  'progressSeconds': (number);
  'maxTtlSeconds': (number);
}
