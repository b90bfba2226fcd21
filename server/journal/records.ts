import type { Entry } from '../../src/core/entry.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { JournaledBundle } from './bundle-records.ts'
import type { GrantRecord } from './grant-records.ts'
import type { Authority, CredentialRequest, CredentialUse, EndCause, LastingTarget, RegisteredVerifier, SeenHead, Target, UnfinishedEnd } from '../store/model.ts'

/** Every kind of change of state, as the journal holds it (design 5). JSON: byte strings are hexadecimal or base64 text. */
export type JournalRecord =
  | GrantRecord
  | { readonly kind: 'domain.created'; readonly trustDomain: string; readonly shard: number; readonly epoch: number; readonly atMs: number }
  /** The store was found behind its own past: nothing is issued from here until it is restored. */
  | { readonly kind: 'domain.rolled_back'; readonly seen: SeenHead; readonly by: string; readonly atMs: number }
  /** A new epoch: the stream starts over, the shard is another, these authorities are ended (each has a record of its own after this one), open join tokens are void. */
  | { readonly kind: 'domain.restored'; readonly epoch: number; readonly shard: number; readonly before: { readonly epoch: number; readonly shard: number }; readonly shardFreeAtMs: number; readonly endedAuthorityIds: readonly string[]; readonly agentsReturn: boolean; readonly reason: string; readonly by: string; readonly atMs: number }
  | { readonly kind: 'entries.created'; readonly entries: readonly Entry[]; readonly by: string; readonly atMs: number }
  | { readonly kind: 'entries.updated'; readonly entries: readonly Entry[]; readonly by: string; readonly atMs: number }
  /** Credentials of entries that stay have ended: the revision of each rises by one, for agents that know nothing else of it (SPIRE's) sign anew then. */
  | { readonly kind: 'entries.revised'; readonly ids: readonly string[]; readonly by: string; readonly atMs: number }
  | { readonly kind: 'entries.deleted'; readonly ids: readonly string[]; readonly by: string; readonly atMs: number }
  | { readonly kind: 'token.created'; readonly tokenHash: string; readonly agentId: SpiffeId; readonly aliasId?: SpiffeId; readonly expiresAtMs: number; readonly by: string; readonly atMs: number }
  | { readonly kind: 'agent.attested'; readonly id: SpiffeId; readonly attestationType: string; readonly selectors: readonly string[]; readonly tokenHash: string; readonly canReattest: boolean; readonly atMs: number }
  | { readonly kind: 'agent.svid'; readonly id: SpiffeId; readonly serial: string; readonly notAfterMs: number; readonly atMs: number }
  | { readonly kind: 'agent.version'; readonly id: SpiffeId; readonly version: string; readonly atMs: number }
  | { readonly kind: 'agent.banned'; readonly id: SpiffeId; readonly by: string; readonly atMs: number }
  | { readonly kind: 'agent.deleted'; readonly id: SpiffeId; readonly by: string; readonly atMs: number }
  | { readonly kind: 'credentials.reserved'; readonly credentials: readonly ReservedCredential[]; readonly atMs: number }
  | { readonly kind: 'credentials.released'; readonly serials: readonly string[]; readonly atMs: number }
  /** Whoever bears these IDs was ended, and had credentials before that have expired: open connections are cut. */
  | { readonly kind: 'identities.ended'; readonly ids: readonly SpiffeId[]; readonly by: string; readonly atMs: number }
  | { readonly kind: 'credentials.ended'; readonly serials: readonly string[]; readonly bit: 'superseded' | 'revoked'; readonly cause: EndCause; readonly reason: string; readonly by: string; readonly atMs: number }
  /** SHA-256 of its SubjectPublicKeyInfo: nothing is issued to it any more. */
  | { readonly kind: 'key.denied'; readonly publicKeyHash: string; readonly cause: EndCause; readonly reason: string; readonly by: string; readonly atMs: number }
  /** A tree of grants has ended, and these serials with it; nothing is issued under the ID any more. By prefix the stream holds the ID closed through `minute`, by bits each serial has its own. */
  | { readonly kind: 'prefix.closed'; readonly prefix: SpiffeId; readonly minute: number; readonly how: 'by prefix' | 'by bits'; readonly serials: readonly string[]; readonly cause: EndCause; readonly reason: string; readonly by: string; readonly atMs: number }
  | { readonly kind: 'credentials.pruned'; readonly beforeMs: number; readonly by: string; readonly atMs: number }
  /** Events up to this number are no longer kept; what they did is in the set. */
  | { readonly kind: 'stream.pruned'; readonly throughSeq: number; readonly by: string; readonly atMs: number }
  /** Verifiers that register for the first time, or say something else of themselves than before. */
  | { readonly kind: 'verifiers.registered'; readonly verifiers: readonly RegisteredVerifier[]; readonly atMs: number }
  | { readonly kind: 'verifiers.removed'; readonly instances: readonly string[]; readonly atMs: number }
  | { readonly kind: 'uses.reported'; readonly uses: readonly CredentialUse[]; readonly atMs: number }
  | { readonly kind: 'target.disabled'; readonly target: Target; readonly reason: string; readonly by: string; readonly atMs: number }
  | { readonly kind: 'target.enabled'; readonly target: Target; readonly reason: string; readonly by: string; readonly atMs: number }
  /** More ends with the target than one transaction holds: the rest follows, until `target.ended`. Nothing is issued for the target meanwhile. */
  | ({ readonly kind: 'target.ending' } & UnfinishedEnd)
  | { readonly kind: 'target.ended'; readonly target: LastingTarget; readonly by: string; readonly atMs: number }
  | { readonly kind: 'authority.prepared'; readonly authority: JournaledAuthority; readonly by: string; readonly atMs: number }
  | { readonly kind: 'authority.activated' | 'authority.tainted' | 'authority.revoked' | 'authority.removed'; readonly id: string; readonly reason?: string; readonly by: string; readonly atMs: number }
  /** Of another trust domain: made, or in place of the one before. */
  | { readonly kind: 'bundle.set'; readonly bundle: JournaledBundle; readonly by: string; readonly atMs: number }
  | { readonly kind: 'bundle.deleted'; readonly trustDomain: TrustDomain; readonly by: string; readonly atMs: number }

export interface ReservedCredential extends Omit<CredentialRequest, 'random'> {
  readonly serial: string
}

export interface JournaledAuthority extends Omit<Authority, 'certificate' | 'state' | 'activatedAtMs' | 'endedByRestore' | 'vouchers' | 'upstream'> {
  /** Base64 of the DER. */
  readonly certificate: string
  /** The same, of each. */
  readonly vouchers?: readonly string[]
  readonly upstream?: { readonly chain: readonly string[]; readonly roots: readonly string[] }
}
