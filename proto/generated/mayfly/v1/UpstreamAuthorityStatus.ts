// Original file: proto/mayfly/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface UpstreamAuthorityStatus {
  'subjectKeyId'?: (string);
  'notAfterMs'?: (number | string | Long);
  'rootsNotAfterMs'?: (number | string | Long);
  'keyPath'?: (string);
  'problem'?: (string);
}

export interface UpstreamAuthorityStatus__Output {
  'subjectKeyId': (string);
  'notAfterMs': (number);
  'rootsNotAfterMs': (number);
  'keyPath': (string);
  'problem': (string);
}
