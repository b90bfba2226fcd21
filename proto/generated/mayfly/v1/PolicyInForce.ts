// Original file: proto/mayfly/v1/grants.proto

import type { PolicySet as _mayfly_v1_PolicySet, PolicySet__Output as _mayfly_v1_PolicySet__Output } from '../../mayfly/v1/PolicySet.ts';
import type { Long } from '@grpc/proto-loader';

export interface PolicyInForce {
  'set'?: (_mayfly_v1_PolicySet | null);
  'hash'?: (string);
  'version'?: (number | string | Long);
  'appliedBy'?: (string);
  'appliedAtMs'?: (number | string | Long);
}

export interface PolicyInForce__Output {
  'set': (_mayfly_v1_PolicySet__Output | null);
  'hash': (string);
  'version': (number);
  'appliedBy': (string);
  'appliedAtMs': (number);
}
