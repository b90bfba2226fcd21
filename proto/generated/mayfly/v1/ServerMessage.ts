// Original file: proto/mayfly/v1/sync.proto

import type { EntriesSnapshot as _mayfly_v1_EntriesSnapshot, EntriesSnapshot__Output as _mayfly_v1_EntriesSnapshot__Output } from '../../mayfly/v1/EntriesSnapshot.ts';
import type { EntriesChange as _mayfly_v1_EntriesChange, EntriesChange__Output as _mayfly_v1_EntriesChange__Output } from '../../mayfly/v1/EntriesChange.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../spire/api/types/Bundle.ts';
import type { StreamMessage as _mayfly_v1_StreamMessage, StreamMessage__Output as _mayfly_v1_StreamMessage__Output } from '../../mayfly/v1/StreamMessage.ts';
import type { EndedAccepted as _mayfly_v1_EndedAccepted, EndedAccepted__Output as _mayfly_v1_EndedAccepted__Output } from '../../mayfly/v1/EndedAccepted.ts';
import type { Renew as _mayfly_v1_Renew, Renew__Output as _mayfly_v1_Renew__Output } from '../../mayfly/v1/Renew.ts';
import type { GrantChanges as _mayfly_v1_GrantChanges, GrantChanges__Output as _mayfly_v1_GrantChanges__Output } from '../../mayfly/v1/GrantChanges.ts';
import type { PolicyPush as _mayfly_v1_PolicyPush, PolicyPush__Output as _mayfly_v1_PolicyPush__Output } from '../../mayfly/v1/PolicyPush.ts';
import type { VerifierRefusals as _mayfly_v1_VerifierRefusals, VerifierRefusals__Output as _mayfly_v1_VerifierRefusals__Output } from '../../mayfly/v1/VerifierRefusals.ts';
import type { TaintedAuthorities as _mayfly_v1_TaintedAuthorities, TaintedAuthorities__Output as _mayfly_v1_TaintedAuthorities__Output } from '../../mayfly/v1/TaintedAuthorities.ts';
import type { FederatedBundle as _mayfly_v1_FederatedBundle, FederatedBundle__Output as _mayfly_v1_FederatedBundle__Output } from '../../mayfly/v1/FederatedBundle.ts';

export interface ServerMessage {
  'snapshot'?: (_mayfly_v1_EntriesSnapshot | null);
  'change'?: (_mayfly_v1_EntriesChange | null);
  'bundle'?: (_spire_api_types_Bundle | null);
  'revocations'?: (_mayfly_v1_StreamMessage | null);
  'endedAccepted'?: (_mayfly_v1_EndedAccepted | null);
  'renew'?: (_mayfly_v1_Renew | null);
  'grants'?: (_mayfly_v1_GrantChanges | null);
  'policy'?: (_mayfly_v1_PolicyPush | null);
  'verifiersRefused'?: (_mayfly_v1_VerifierRefusals | null);
  'taintedAuthorities'?: (_mayfly_v1_TaintedAuthorities | null);
  'federated'?: (_mayfly_v1_FederatedBundle | null);
  'message'?: "snapshot"|"change"|"bundle"|"revocations"|"endedAccepted"|"renew"|"grants"|"policy"|"verifiersRefused"|"taintedAuthorities"|"federated";
}

export interface ServerMessage__Output {
  'snapshot'?: (_mayfly_v1_EntriesSnapshot__Output | null);
  'change'?: (_mayfly_v1_EntriesChange__Output | null);
  'bundle'?: (_spire_api_types_Bundle__Output | null);
  'revocations'?: (_mayfly_v1_StreamMessage__Output | null);
  'endedAccepted'?: (_mayfly_v1_EndedAccepted__Output | null);
  'renew'?: (_mayfly_v1_Renew__Output | null);
  'grants'?: (_mayfly_v1_GrantChanges__Output | null);
  'policy'?: (_mayfly_v1_PolicyPush__Output | null);
  'verifiersRefused'?: (_mayfly_v1_VerifierRefusals__Output | null);
  'taintedAuthorities'?: (_mayfly_v1_TaintedAuthorities__Output | null);
  'federated'?: (_mayfly_v1_FederatedBundle__Output | null);
  'message'?: "snapshot"|"change"|"bundle"|"revocations"|"endedAccepted"|"renew"|"grants"|"policy"|"verifiersRefused"|"taintedAuthorities"|"federated";
}
