// Original file: proto/mayfly/v1/grants.proto

import type { Grant as _mayfly_v1_Grant, Grant__Output as _mayfly_v1_Grant__Output } from '../../mayfly/v1/Grant.ts';
import type { StepRequest as _mayfly_v1_StepRequest, StepRequest__Output as _mayfly_v1_StepRequest__Output } from '../../mayfly/v1/StepRequest.ts';
import type { Long } from '@grpc/proto-loader';

export interface PendingApproval {
  'id'?: (string);
  'grant'?: (_mayfly_v1_Grant | null);
  'step'?: (_mayfly_v1_StepRequest | null);
  'needed'?: (number);
  'givenBy'?: (string)[];
  'approvers'?: (string)[];
  'lapsesAtMs'?: (number | string | Long);
  'canonical'?: (string);
  'hash'?: (string);
  'namespace'?: (string);
}

export interface PendingApproval__Output {
  'id': (string);
  'grant': (_mayfly_v1_Grant__Output | null);
  'step': (_mayfly_v1_StepRequest__Output | null);
  'needed': (number);
  'givenBy': (string)[];
  'approvers': (string)[];
  'lapsesAtMs': (number);
  'canonical': (string);
  'hash': (string);
  'namespace': (string);
}
