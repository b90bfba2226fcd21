// Original file: proto/mayfly/v1/backups.proto


export interface CreateBackupRequest {
  'to'?: (string);
}

export interface CreateBackupRequest__Output {
  'to': (string);
}
