// Original file: proto/mayfly/v1/grant.proto

import type { Long } from '@grpc/proto-loader';

export interface Person {
  'name'?: (string);
  'sshKeys'?: (string)[];
  'owners'?: (string)[];
  'roles'?: (string)[];
  'addedAtMs'?: (number | string | Long);
  'requesters'?: (string)[];
}

export interface Person__Output {
  'name': (string);
  'sshKeys': (string)[];
  'owners': (string)[];
  'roles': (string)[];
  'addedAtMs': (number);
  'requesters': (string)[];
}
