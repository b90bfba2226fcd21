// Original file: proto/mayfly/v1/grants.proto

import type { ProbeResult as _mayfly_v1_ProbeResult, ProbeResult__Output as _mayfly_v1_ProbeResult__Output } from '../../mayfly/v1/ProbeResult.ts';
import type { Long } from '@grpc/proto-loader';

export interface ActivateGrantRequest {
  'grantId'?: (string);
  'csr'?: (Buffer | Uint8Array | string);
  'selectors'?: (string)[];
  'instance'?: (string);
  'binding'?: (string);
  'tier'?: (string);
  'probes'?: (_mayfly_v1_ProbeResult)[];
  'progressSecondsAgo'?: (number | string | Long);
}

export interface ActivateGrantRequest__Output {
  'grantId': (string);
  'csr': (Buffer);
  'selectors': (string)[];
  'instance': (string);
  'binding': (string);
  'tier': (string);
  'probes': (_mayfly_v1_ProbeResult__Output)[];
  'progressSecondsAgo': (number);
}
