// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface Use {
  'verifier'?: (string);
  'firstMs'?: (number | string | Long);
  'lastMs'?: (number | string | Long);
  'count'?: (number | string | Long);
  'refused'?: (boolean);
}

export interface Use__Output {
  'verifier': (string);
  'firstMs': (number);
  'lastMs': (number);
  'count': (number);
  'refused': (boolean);
}
