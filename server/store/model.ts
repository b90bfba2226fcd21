import type { AuthorityState } from '../../src/core/authority.ts'
import type { StalenessClass } from '../../src/core/revocation/freshness.ts'
import type { Selector } from '../../src/core/selector.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** An agent that has attested. */
export interface Agent {
  readonly id: SpiffeId
  readonly attestationType: string
  readonly selectors: readonly Selector[]
  /** Hexadecimal; of the newest SVID. */
  readonly serial: string
  readonly notAfterMs: number
  readonly banned: boolean
  readonly canReattest: boolean
  readonly version: string
  readonly attestedAtMs: number
}

/** Lets one agent attest, once. */
export interface JoinToken {
  /** SHA-256 of the token, hexadecimal: the token itself is never stored. */
  readonly tokenHash: string
  readonly agentId: SpiffeId
  /** An extra ID that the agent may be addressed by (SPIRE's `agent_id`): an alias entry is made when it is set. */
  readonly aliasId?: SpiffeId
  readonly expiresAtMs: number
}

/** What a credential is written down as before it is signed. */
export interface CredentialRequest {
  readonly kind: 'workload' | 'agent' | 'server' | 'mint' | 'grant' | 'downstream'
  /** Of an authority of a server further down (`downstream`): the ID of that server's entry, not the trust domain's, which its certificate bears. */
  readonly spiffeId: SpiffeId
  /** Unset for all but those of workloads and of servers further down. */
  readonly entryId?: string
  /** The agent that asked, or that it is for; unset for server and minted ones. */
  readonly agentId?: SpiffeId
  readonly owner: string
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly publicKeyHash: string
  /** Hexadecimal id of the authority that will sign. */
  readonly authorityId: string
  readonly notBeforeMs: number
  /** Whole seconds. */
  readonly notAfterMs: number
  /** 8 random bytes of the serial. */
  readonly random: Uint8Array
}

/** A row of the ledger: a credential that was, or was to be, issued, and what became of it. */
export interface Credential extends Omit<CredentialRequest, 'random'> {
  /** 34 hexadecimal digits. */
  readonly serial: string
  readonly issuedAtMs: number
  readonly state: 'reserved' | 'released' | 'superseded' | 'revoked' | 'abandoned'
  readonly endedAtMs?: number
  readonly cause?: EndCause
  readonly reason?: string
}

/** Why a credential ended before its time. */
export type EndCause = 'operator' | 'rotated' | 'entry_deleted' | 'agent_banned' | 'agent_evicted' | 'holder_exited' | 'abandoned' | 'authority_revoked' | 'leak' | 'owner_removed' | 'grant_ended' | 'grant_suspended'

/** Checks by one SPIFFE ID of one credential. */
export interface CredentialUse {
  /** It was refused, because it had been superseded or revoked; accepted when unset. */
  readonly refused?: true
  /** 34 hexadecimal digits. */
  readonly serial: string
  readonly verifier: SpiffeId
  /** By the verifier's clock. */
  readonly firstMs: number
  readonly lastMs: number
  readonly count: number
}

/** A process that follows the revocation stream, checks peers by it and says how far it has come. */
export interface RegisteredVerifier {
  /** 32 hexadecimal digits. */
  readonly instance: string
  readonly spiffeId: SpiffeId
  readonly class: StalenessClass
  readonly software: string
  /** The agent that relays for it. */
  readonly agentId: SpiffeId
  readonly registeredAtMs: number
}

/** What a revocation or a disablement is aimed at. */
export type Target =
  | { readonly kind: 'serial'; readonly serial: string }
  | { readonly kind: 'id'; readonly id: SpiffeId }
  | { readonly kind: 'entry'; readonly entryId: string }
  | { readonly kind: 'agent'; readonly id: SpiffeId }
  | { readonly kind: 'owner'; readonly owner: string }

/** What can be disabled: all but a serial. */
export type LastingTarget = Exclude<Target, { kind: 'serial' }>

/** What gets no more credentials until it is enabled, and who said so. */
export interface DisabledTarget {
  readonly target: Target
  readonly reason: string
  readonly by: string
  readonly atMs: number
}

/** A signing key of the trust domain. */
export interface Authority {
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal; also what the revocation stream lists. */
  readonly id: string
  readonly certificate: Uint8Array
  /** Where the key store keeps the key. */
  readonly keyName: string
  readonly state: AuthorityState
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly preparedAtMs: number
  readonly activatedAtMs?: number
  /** Ended by a restore of the server: an agent whose SVID it signed may come back with that, or not (docs/decisions/0013). */
  readonly endedByRestore?: 'agents_return' | 'agents_join'
  /** DER certificates for its key by authorities that a restore ended: for peers that know only those. */
  readonly vouchers?: readonly Uint8Array[]
  /** What stands above it; unset: it is self-signed, and in the bundle itself. */
  readonly upstream?: AuthorityUpstream
}

/** What an intermediate authority hangs on, DER. */
export interface AuthorityUpstream {
  /** Between it and the roots, its issuer first; empty when a root signed it. */
  readonly chain: readonly Uint8Array[]
  /** What the bundle holds in its stead. */
  readonly roots: readonly Uint8Array[]
}

/** A head of the revocation stream that this store's own key signed and that this store does not know: it was copied back. */
export interface SeenHead {
  readonly epoch: number
  readonly seq: number
  /** 64 hexadecimal digits. */
  readonly chainHash: string
}

export interface RolledBack extends SeenHead {
  readonly atMs: number
  /** Who showed it. */
  readonly by: string
}

/** One event of the revocation stream, with the hash chain of `docs/revocation.md` up to and including it. */
export interface StreamEvent {
  readonly seq: number
  /** As of src/core/revocation/codec.ts. */
  readonly event: Uint8Array
  /** 32 bytes: SHA-256(chain hash before | event). */
  readonly chainHash: Uint8Array
  readonly atMs: number
}

export interface Page {
  /** 1..10,000. */
  readonly size: number
  /** The `next` of the page before; unset for the first. @throws PAGE_TOKEN_INVALID when it is none of ours */
  readonly after?: string
}

export interface PageOf<T> {
  readonly items: readonly T[]
  /** Unset on the last page. */
  readonly next?: string
}

/** Who changes, for the record: `uid:1000`, an admin's SPIFFE ID, `system`. And when. */
export interface Actor {
  readonly name: string
  readonly atMs: number
}

/** What a revocation hits, said before it is done. */
export interface Hits {
  readonly credentials: number
  readonly workloads: number
  readonly owners: readonly string[]
  /** The first hundred serials, hexadecimal. */
  readonly serials: readonly string[]
}

export interface EndResult {
  readonly hits: Hits
  /** Head of the revocation stream once this is in it. */
  readonly streamSeq: number
}

/** An end of a target of which only the first piece is done. */
export interface UnfinishedEnd {
  readonly target: LastingTarget
  readonly cause: 'operator' | 'agent_banned' | 'agent_evicted' | 'owner_removed'
  readonly reason: string
  readonly by: string
  readonly atMs: number
}

/** The end of a target, or the first piece of it: one transaction holds up to 100 grants, or 500 other credentials. */
export interface TargetEnd extends EndResult {
  /** Serials that a rotation left, for `targets.continueRotation`. */
  readonly unrotated?: readonly string[]
  /** Pieces are left: call `targets.continueEnd` until there are none. */
  readonly more: boolean
}
