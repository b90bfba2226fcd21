// Original file: proto/mayfly/v1/sync.proto

import type { ReportAnswer as _mayfly_v1_ReportAnswer, ReportAnswer__Output as _mayfly_v1_ReportAnswer__Output } from '../../mayfly/v1/ReportAnswer.ts';

export interface VerifierRefusals {
  'refusals'?: (_mayfly_v1_ReportAnswer)[];
}

export interface VerifierRefusals__Output {
  'refusals': (_mayfly_v1_ReportAnswer__Output)[];
}
