// Original file: proto/mayfly/v1/backups.proto

import type { Long } from '@grpc/proto-loader';

export interface CreateBackupResponse {
  'to'?: (string);
  'trustDomain'?: (string);
  'createdAtMs'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'journalSeq'?: (number | string | Long);
  'bytes'?: (number | string | Long);
  'keys'?: (number);
}

export interface CreateBackupResponse__Output {
  'to': (string);
  'trustDomain': (string);
  'createdAtMs': (number);
  'epoch': (number);
  'streamSeq': (number);
  'journalSeq': (number);
  'bytes': (number);
  'keys': (number);
}
