// Original file: proto/mayfly/v1/grants.proto

import type { StepRequest as _mayfly_v1_StepRequest, StepRequest__Output as _mayfly_v1_StepRequest__Output } from '../../mayfly/v1/StepRequest.ts';
import type { ProbeResult as _mayfly_v1_ProbeResult, ProbeResult__Output as _mayfly_v1_ProbeResult__Output } from '../../mayfly/v1/ProbeResult.ts';

export interface ConfirmStepRequest {
  'step'?: (_mayfly_v1_StepRequest | null);
  'probes'?: (_mayfly_v1_ProbeResult)[];
}

export interface ConfirmStepRequest__Output {
  'step': (_mayfly_v1_StepRequest__Output | null);
  'probes': (_mayfly_v1_ProbeResult__Output)[];
}
