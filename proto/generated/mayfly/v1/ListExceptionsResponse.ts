// Original file: proto/mayfly/v1/grants.proto

import type { PolicyException as _mayfly_v1_PolicyException, PolicyException__Output as _mayfly_v1_PolicyException__Output } from '../../mayfly/v1/PolicyException.ts';

export interface ListExceptionsResponse {
  'exceptions'?: (_mayfly_v1_PolicyException)[];
}

export interface ListExceptionsResponse__Output {
  'exceptions': (_mayfly_v1_PolicyException__Output)[];
}
