// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface Event {
  'name'?: (string);
  'atMs'?: (number | string | Long);
  'fields'?: (string);
}

export interface Event__Output {
  'name': (string);
  'atMs': (number);
  'fields': (string);
}
