// Original file: proto/mayfly/v1/stream.proto

import type { VerifierRegistration as _mayfly_v1_VerifierRegistration, VerifierRegistration__Output as _mayfly_v1_VerifierRegistration__Output } from '../../mayfly/v1/VerifierRegistration.ts';
import type { VerifierReceipt as _mayfly_v1_VerifierReceipt, VerifierReceipt__Output as _mayfly_v1_VerifierReceipt__Output } from '../../mayfly/v1/VerifierReceipt.ts';
import type { VerifierUses as _mayfly_v1_VerifierUses, VerifierUses__Output as _mayfly_v1_VerifierUses__Output } from '../../mayfly/v1/VerifierUses.ts';
import type { RefusedUses as _mayfly_v1_RefusedUses, RefusedUses__Output as _mayfly_v1_RefusedUses__Output } from '../../mayfly/v1/RefusedUses.ts';

export interface VerifierReport {
  'registration'?: (_mayfly_v1_VerifierRegistration | null);
  'receipt'?: (_mayfly_v1_VerifierReceipt | null);
  'uses'?: (_mayfly_v1_VerifierUses | null);
  'refusals'?: (_mayfly_v1_RefusedUses | null);
  'report'?: "registration"|"receipt"|"uses";
}

export interface VerifierReport__Output {
  'registration'?: (_mayfly_v1_VerifierRegistration__Output | null);
  'receipt'?: (_mayfly_v1_VerifierReceipt__Output | null);
  'uses'?: (_mayfly_v1_VerifierUses__Output | null);
  'refusals': (_mayfly_v1_RefusedUses__Output | null);
  'report'?: "registration"|"receipt"|"uses";
}
