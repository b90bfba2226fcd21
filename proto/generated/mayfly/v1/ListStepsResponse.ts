// Original file: proto/mayfly/v1/grants.proto

import type { TakenStep as _mayfly_v1_TakenStep, TakenStep__Output as _mayfly_v1_TakenStep__Output } from '../../mayfly/v1/TakenStep.ts';

export interface ListStepsResponse {
  'steps'?: (_mayfly_v1_TakenStep)[];
  'nextPageToken'?: (string);
}

export interface ListStepsResponse__Output {
  'steps': (_mayfly_v1_TakenStep__Output)[];
  'nextPageToken': (string);
}
