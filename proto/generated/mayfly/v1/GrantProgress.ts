// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';

export interface GrantProgress {
  'grant'?: (_mayfly_v1_Grant | null);
  'socket'?: (string);
  'approvers'?: (string)[];
  'howToApprove'?: (string);
}

export interface GrantProgress__Output {
  'grant': (_mayfly_v1_Grant__Output | null);
  'socket': (string);
  'approvers': (string)[];
  'howToApprove': (string);
}
