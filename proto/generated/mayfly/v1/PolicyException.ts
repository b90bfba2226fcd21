// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface PolicyException {
  'id'?: (string);
  'control'?: (string);
  'scope'?: (string);
  'owner'?: (string);
  'reason'?: (string);
  'approver'?: (string);
  'createdAtMs'?: (number | string | Long);
  'reviewAtMs'?: (number | string | Long);
  'value'?: (number | string | Long);
  'expired'?: (boolean);
  'signature'?: (string);
}

export interface PolicyException__Output {
  'id': (string);
  'control': (string);
  'scope': (string);
  'owner': (string);
  'reason': (string);
  'approver': (string);
  'createdAtMs': (number);
  'reviewAtMs': (number);
  'value': (number);
  'expired': (boolean);
  'signature': (string);
}
