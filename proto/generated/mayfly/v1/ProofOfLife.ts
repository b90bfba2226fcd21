// Original file: proto/mayfly/v1/grants.proto

import type { ProbeResult as _mayfly_v1_ProbeResult, ProbeResult__Output as _mayfly_v1_ProbeResult__Output } from '../../mayfly/v1/ProbeResult.ts';

export interface ProofOfLife {
  'grantIds'?: (string)[];
  'probes'?: (_mayfly_v1_ProbeResult)[];
}

export interface ProofOfLife__Output {
  'grantIds': (string)[];
  'probes': (_mayfly_v1_ProbeResult__Output)[];
}
