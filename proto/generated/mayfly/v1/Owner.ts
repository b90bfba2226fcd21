// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface Owner {
  'name'?: (string);
  'contact'?: (string);
  'entries'?: (number | string | Long);
  'roles'?: (number | string | Long);
  'grants'?: (number | string | Long);
  'removed'?: (boolean);
}

export interface Owner__Output {
  'name': (string);
  'contact': (string);
  'entries': (number);
  'roles': (number);
  'grants': (number);
  'removed': (boolean);
}
