// Original file: proto/mayfly/v1/admin.proto

import type { DisabledTarget as _mayfly_v1_DisabledTarget, DisabledTarget__Output as _mayfly_v1_DisabledTarget__Output } from '../../mayfly/v1/DisabledTarget.ts';

export interface ListDisabledResponse {
  'targets'?: (_mayfly_v1_DisabledTarget)[];
}

export interface ListDisabledResponse__Output {
  'targets': (_mayfly_v1_DisabledTarget__Output)[];
}
