// Original file: proto/mayfly/v1/grants.proto

import type { Long } from '@grpc/proto-loader';

export interface ApplyPolicyAnswer {
  'hash'?: (string);
  'version'?: (number | string | Long);
  'evaluated'?: (number | string | Long);
  'endedGrantIds'?: (string)[];
  'problems'?: (string)[];
}

export interface ApplyPolicyAnswer__Output {
  'hash': (string);
  'version': (number);
  'evaluated': (number);
  'endedGrantIds': (string)[];
  'problems': (string)[];
}
