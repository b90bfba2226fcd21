// Original file: proto/mayfly/v1/admin.proto

import type { Target as _mayfly_v1_Target, Target__Output as _mayfly_v1_Target__Output } from '../../mayfly/v1/Target.ts';

export interface FindCredentialsRequest {
  'target'?: (_mayfly_v1_Target | null);
  'liveOnly'?: (boolean);
  'pageSize'?: (number);
  'pageToken'?: (string);
}

export interface FindCredentialsRequest__Output {
  'target': (_mayfly_v1_Target__Output | null);
  'liveOnly': (boolean);
  'pageSize': (number);
  'pageToken': (string);
}
