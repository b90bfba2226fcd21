// Original file: proto/mayfly/v1/admin.proto

import type { Credential as _mayfly_v1_Credential, Credential__Output as _mayfly_v1_Credential__Output } from '../../mayfly/v1/Credential.ts';

export interface FindCredentialsResponse {
  'credentials'?: (_mayfly_v1_Credential)[];
  'nextPageToken'?: (string);
}

export interface FindCredentialsResponse__Output {
  'credentials': (_mayfly_v1_Credential__Output)[];
  'nextPageToken': (string);
}
