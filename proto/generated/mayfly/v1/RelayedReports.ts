// Original file: proto/mayfly/v1/sync.proto

import type { VerifierRegistration as _mayfly_v1_VerifierRegistration, VerifierRegistration__Output as _mayfly_v1_VerifierRegistration__Output } from '../../mayfly/v1/VerifierRegistration.ts';
import type { VerifierReceipt as _mayfly_v1_VerifierReceipt, VerifierReceipt__Output as _mayfly_v1_VerifierReceipt__Output } from '../../mayfly/v1/VerifierReceipt.ts';
import type { VerifierUses as _mayfly_v1_VerifierUses, VerifierUses__Output as _mayfly_v1_VerifierUses__Output } from '../../mayfly/v1/VerifierUses.ts';
import type { RefusedUses as _mayfly_v1_RefusedUses, RefusedUses__Output as _mayfly_v1_RefusedUses__Output } from '../../mayfly/v1/RefusedUses.ts';

export interface RelayedReports {
  'registrations'?: (_mayfly_v1_VerifierRegistration)[];
  'receipts'?: (_mayfly_v1_VerifierReceipt)[];
  'uses'?: (_mayfly_v1_VerifierUses)[];
  'left'?: (Buffer | Uint8Array | string)[];
  'unregistered'?: (number);
  'refusals'?: (_mayfly_v1_RefusedUses)[];
}

export interface RelayedReports__Output {
  'registrations': (_mayfly_v1_VerifierRegistration__Output)[];
  'receipts': (_mayfly_v1_VerifierReceipt__Output)[];
  'uses': (_mayfly_v1_VerifierUses__Output)[];
  'left': (Buffer)[];
  'unregistered': (number);
  'refusals': (_mayfly_v1_RefusedUses__Output)[];
}
