import type { Entry, EntrySpec } from '../../src/core/entry.ts'
import type { MayflyError } from '../../src/core/errors.ts'
import type { Selector } from '../../src/core/selector.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { BundleStore } from './bundle-port.ts'
import type { ExceptionStore, GrantStore, OwnerStore, PeopleStore, PolicyStore, RoleStore } from './grant-port.ts'
import type { JournalRecord } from '../journal/records.ts'
import type { Actor, Agent, Authority, Credential, CredentialRequest, CredentialUse, DisabledTarget, EndCause, EndResult, JoinToken, LastingTarget, Page, PageOf, RegisteredVerifier, RolledBack, SeenHead, StreamEvent, Target, TargetEnd, UnfinishedEnd } from './model.ts'

export type { Actor, Agent, Authority, AuthorityUpstream, Credential, CredentialRequest, CredentialUse, DisabledTarget, EndCause, EndResult, Hits, LastingTarget, Page, PageOf, RegisteredVerifier, RolledBack, SeenHead, StreamEvent, Target, TargetEnd, UnfinishedEnd } from './model.ts'

/**
 * The store: asynchronous, shaped by transactions (design 5). Every call below is one transaction: it reads what it
 * decides on, appends to the journal, moves the projections, and is durable when its promise resolves. Calls that arrive
 * together may share one commit. Callers pass the time; the store has no clock.
 *
 * Errors: STORE_UNWRITABLE when the transaction could not be made durable (nothing of it is visible then), STORE_CORRUPT,
 * STORE_NEWER, STORE_LOCKED at opening, and those named at each call.
 */
export interface Store extends AsyncDisposable {
  /** Resolves, with the reason, when the store is gone by itself: from then on every call rejects, and only another process may open it again. */
  readonly lost: Promise<MayflyError>
  readonly entries: EntryStore
  readonly agents: AgentStore
  readonly credentials: CredentialStore
  readonly authorities: AuthorityStore
  readonly bundles: BundleStore
  readonly targets: TargetStore
  readonly stream: StreamStore
  readonly verifiers: VerifierStore
  readonly journal: JournalStore
  readonly grants: GrantStore
  readonly roles: RoleStore
  readonly owners: OwnerStore
  readonly people: PeopleStore
  readonly policies: PolicyStore
  readonly exceptions: ExceptionStore
  readonly recovery: RecoveryStore
  /** Trust domain, shard and epoch of this store; made at its first opening. */
  readonly domain: Domain
}

export interface Domain {
  readonly trustDomain: TrustDomain
  /** 1..127: the first byte of every serial. */
  readonly shard: number
  /** Of the revocation stream; rises when the store is restored, never otherwise (design 6, Epochs). */
  readonly epoch: number
  readonly createdAtMs: number
}

/** A result a thing: one bad item of a batch does not fail the others. */
export type ItemResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: 'ALREADY_EXISTS' | 'NOT_FOUND' | 'INVALID_ARGUMENT' | 'BUNDLE_UNKNOWN'; readonly message: string; readonly existing?: T }

export type SelectorMatchKind = 'exact' | 'subset' | 'superset' | 'any'

export interface EntryFilter {
  readonly spiffeId?: SpiffeId
  readonly parentId?: SpiffeId
  readonly selectors?: { readonly match: SelectorMatchKind; readonly selectors: readonly Selector[] }
  readonly federatesWith?: { readonly match: SelectorMatchKind; readonly trustDomains: readonly string[] }
  readonly hint?: string
  readonly downstream?: boolean
  readonly owner?: string
  readonly disabled?: boolean
}

/** An update names the entry and only the fields that change. */
export type EntryPatch = { readonly id: string } & Partial<EntrySpec>

export interface EntryStore {
  /** `id` is the caller's choice or a UUID made by the caller. An entry with the same SPIFFE ID, parent and selector set exists: ALREADY_EXISTS with `existing`. It names a trust domain of which there is no bundle: BUNDLE_UNKNOWN. */
  create(specs: readonly (EntrySpec & { readonly id: string })[], by: Actor): Promise<readonly ItemResult<Entry>[]>
  /** A trust domain that an entry names already may be without a bundle; one that it did not name may not: BUNDLE_UNKNOWN. */
  update(patches: readonly EntryPatch[], by: Actor): Promise<readonly ItemResult<Entry>[]>
  /** Live credentials of a deleted entry are revoked in the same transaction (cause `entry_deleted`). */
  delete(ids: readonly string[], by: Actor): Promise<readonly ItemResult<Entry>[]>
  byId(id: string): Promise<Entry | undefined>
  list(filter: EntryFilter, page: Page): Promise<PageOf<Entry>>
  count(filter: EntryFilter): Promise<number>
}

export interface AgentFilter {
  readonly attestationType?: string
  readonly selectors?: { readonly match: SelectorMatchKind; readonly selectors: readonly Selector[] }
  readonly banned?: boolean
  readonly canReattest?: boolean
  readonly expiresBeforeMs?: number
}

export interface AttestedAgent {
  readonly id: SpiffeId
  readonly attestationType: string
  readonly selectors: readonly Selector[]
  /** The first to come has the ID until it is evicted. */
  readonly once: boolean
}

export interface AgentStore {
  /** With an alias its entry is made too (parent and only selector name the agent, as in SPIRE) and goes when the agent is evicted. @throws ALREADY_EXISTS when a token of this hash was ever made */
  createJoinToken(token: JoinToken, by: Actor): Promise<void>
  /** Spends the token and records the agent in one transaction. Used, unknown or expired: TOKEN_INVALID; agent banned: AGENT_BANNED. The SVID is journaled later by `credentials.reserve`. */
  redeemJoinToken(tokenHash: string, atMs: number): Promise<{ readonly agentId: SpiffeId }>
  /**
   * Records an agent that has proven itself, and its selectors in place of those before. AGENT_BANNED, TARGET_DISABLED; ATTESTED_BEFORE when it is there already and `once`
   * is set, or it proved itself in another way then.
   */
  attest(agent: AttestedAgent, atMs: number): Promise<void>
  /** After the agent's SVID was reserved: what `agent list` shows. */
  recordSvid(id: SpiffeId, svid: { readonly serial: string; readonly notAfterMs: number }, by: Actor): Promise<void>
  recordVersion(id: SpiffeId, version: string, by: Actor): Promise<void>
  byId(id: SpiffeId): Promise<Agent | undefined>
  list(filter: AgentFilter, page: Page): Promise<PageOf<Agent>>
  count(filter: AgentFilter): Promise<number>
  /** Bans: ends its SVIDs and all that it obtained for its workloads (cause `agent_banned`), in pieces. @throws NOT_FOUND */
  ban(id: SpiffeId, by: Actor): Promise<TargetEnd>
  /** Evicts: as ban, but once all has ended it may attest anew, with a new key. @throws NOT_FOUND */
  delete(id: SpiffeId, by: Actor): Promise<TargetEnd>
}

export type ReserveResult =
  | { readonly ok: true; readonly serial: Uint8Array }
  /** The key was seen under another entry, reported leaked, or its target is disabled or gone by now. */
  | { readonly ok: false; readonly code: 'KEY_DENIED' | 'TARGET_DISABLED' | 'NOT_FOUND' | 'AGENT_BANNED'; readonly message: string }

export interface CredentialFilter {
  readonly spiffeId?: SpiffeId
  readonly entryId?: string
  readonly agentId?: SpiffeId
  readonly owner?: string
  readonly grantId?: string
  /** Of a whole tree. */
  readonly rootGrantId?: string
  /** Hexadecimal: what this authority signed. */
  readonly authorityId?: string
  /** Only those in whose place nothing was issued under another authority, to the same entry on the same agent, agent or server. */
  readonly notReplaced?: boolean
  /** Only those neither ended nor past their notAfter at this time. */
  readonly liveAtMs?: number
  /** Only those superseded or revoked that end after this time. */
  readonly endedNotAfterMs?: number
}

export interface CredentialStore {
  /**
   * Allocates serials (index dense within shard and minute) and writes the ledger rows; nothing may be signed before this resolves.
   * @throws NO_ACTIVE_AUTHORITY (authority unknown or revoked), CLOCK_JUMPED (it would end before what is pruned), LIMIT_EXCEEDED (bucket full)
   */
  reserve(requests: readonly CredentialRequest[], atMs: number): Promise<readonly ReserveResult[]>
  /** Notes that these were signed and handed out. May be called late and batched: a row still reserved at the next start is abandoned and its superseded bit set. */
  release(serials: readonly Uint8Array[], atMs: number): Promise<void>
  /** At start, before serving: every row still `reserved` becomes `abandoned`. Returns how many. */
  abandonUnreleased(atMs: number): Promise<number>
  bySerial(serial: string): Promise<Credential | undefined>
  /** Those of these serials that are known, in any order. */
  bySerials(serials: readonly string[]): Promise<readonly Credential[]>
  list(filter: CredentialFilter, page: Page): Promise<PageOf<Credential>>
  count(filter: CredentialFilter): Promise<number>
  /** Sets the superseded bit of these (renewed, nothing cut). Unknown or ended ones are passed over. Returns how many were set. */
  supersede(serials: readonly string[], by: Actor): Promise<number>
  /** Reports of an agent that the last holder is gone: revokes those that this agent obtained; others are passed over. */
  endByAgent(agentId: SpiffeId, serials: readonly string[], cause: 'holder_exited', by: Actor): Promise<number>
  /** Drops ledger rows whose notAfter lies before; recorded, so that a replay drops the same. */
  prune(beforeMs: number, by: Actor): Promise<number>
  /** Adds to what is known of where credentials were accepted; those that the ledger does not hold are passed over. Returns how many were of the ledger. */
  recordUses(uses: readonly CredentialUse[], atMs: number): Promise<number>
  /** The latest first. */
  uses(serial: string, limit: number): Promise<readonly CredentialUse[]>
  /** The latest `beforeMs` that dropped anything; 0 when nothing was dropped yet. */
  prunedBefore(): Promise<number>
}

export interface VerifierStore {
  /** Those of the same instance are replaced. */
  register(verifiers: readonly RegisteredVerifier[], atMs: number): Promise<void>
  remove(instances: readonly string[], atMs: number): Promise<void>
  all(): Promise<readonly RegisteredVerifier[]>
}

export interface RevokeOptions {
  /** Replace instead of disabling: the target stays enabled and gets new credentials. Always so for a serial. */
  readonly rotate: boolean
  readonly dryRun: boolean
  /** The number of credentials that must be hit, else EXPECTATION_FAILED and nothing happens. Over ten hits it is required, unless it goes on with what was left unfinished. */
  readonly expect?: number
  readonly reason: string
}

export interface ClosePrefixOptions {
  /** No credential under it is valid for longer, as far as the caller knows; the ledger is asked too. */
  readonly untilMs: number
  readonly cause: EndCause
  readonly reason: string
}

export interface KeyEndResult extends EndResult {
  /** Whether the ledger or the list of denied keys has it. */
  readonly known: boolean
  /** Whether it is refused from now on. */
  readonly denied: boolean
}

export interface TargetStore {
  /**
   * Ends all that is live under the target and, unless `rotate` or a serial, disables it. Of very much only the first piece ends in the transaction that disables it; `hits`
   * are all of it, in any case. Superseded and abandoned credentials are hit too: their holders may have connections open. The keys of revoked credentials are deny-listed (design 6); a serial stands for all that was
   * issued to its key. With `rotate` the live ones are superseded and their keys stay good; of very much the first ones alone, and the others are the caller's to go on with. The ID of an agent means the agent.
   * @throws NOT_FOUND, EXPECTATION_FAILED with details {hits}
   */
  revoke(target: Target, options: RevokeOptions, by: Actor): Promise<TargetEnd>
  /** Ends the next piece of what a revocation, a ban, an eviction or a removal left, in the name of who asked for it; nothing when nothing is left. `hits` are those of the piece. */
  continueEnd(target: LastingTarget, atMs: number): Promise<TargetEnd>
  /** Supersedes the next of what a rotation left: a thousand at most. Those that ended meanwhile are passed over; `hits` are the others. */
  continueRotation(serials: readonly string[], reason: string, by: Actor): Promise<EndResult>
  /** Ends of which pieces are left, of this run or an earlier one. Their targets get nothing until they are finished. */
  unfinished(): Promise<readonly UnfinishedEnd[]>
  /**
   * Ends all that was issued to a key and denies it (cause `leak`). A key that nothing was issued to is denied only when that is asked for: else reports
   * could fill the store. @param publicKeyHash 64 hexadecimal digits
   */
  endKey(publicKeyHash: string, options: { readonly denyUnknown: boolean; readonly reason: string }, by: Actor): Promise<KeyEndResult>
  /** Disables without a revocation: no new credentials. Idempotent. @throws NOT_FOUND */
  disable(target: Target, reason: string, by: Actor): Promise<void>
  /**
   * Ends a tree of grants at once: all that bears this ID or one below it, by closing the ID in the stream, or by a bit for each when `maxClosedPrefixes` are
   * closed already. Nothing is issued under it any more. Again it changes nothing. @throws INVALID_ARGUMENT when it is not the ID of a grant
   */
  closePrefix(prefix: SpiffeId, options: ClosePrefixOptions, by: Actor): Promise<EndResult>
  /** @throws NOT_FOUND when it is not disabled; PRECONDITION_FAILED while what it had is still ending */
  enable(target: Target, reason: string, by: Actor): Promise<void>
  disabled(): Promise<readonly DisabledTarget[]>
}

export interface AuthorityRevokeOptions {
  readonly dryRun?: boolean
  /** The number of credentials that must be hit, else EXPECTATION_FAILED and nothing happens. */
  readonly expect?: number
  readonly reason?: string
}

export interface AuthorityStore {
  all(): Promise<readonly Authority[]>
  /** Rises with every change of the published authorities (TDB-04). */
  bundleSequence(): Promise<number>
  /** Adds it to the bundle and lists it in the revocation stream as indexed. */
  prepare(authority: Omit<Authority, 'state' | 'activatedAtMs'>, by: Actor): Promise<void>
  /** The active one becomes old. @throws NOT_FOUND, EXPECTATION_FAILED when it is tainted or revoked */
  activate(id: string, by: Actor): Promise<void>
  /** It stays in the bundle, marked. @throws NOT_FOUND, EXPECTATION_FAILED when it is revoked */
  taint(id: string, by: Actor, reason?: string): Promise<void>
  /** Removes it from the bundle and ends it in the revocation stream, and with it all that it signed. @throws NOT_FOUND, EXPECTATION_FAILED with details {hits} */
  revoke(id: string, by: Actor, options?: AuthorityRevokeOptions): Promise<EndResult>
  /** Drops one whose notAfter has passed from the bundle. @throws NOT_FOUND, EXPECTATION_FAILED when it has not */
  remove(id: string, by: Actor): Promise<void>
}

export interface StreamStore {
  /** The durable head, read at this call and not from memory: {seq 0, 32 zero bytes} when empty. */
  head(): Promise<{ readonly seq: number; readonly chainHash: Uint8Array }>
  /** Events after `seq`, oldest first, at most `limit`. Those that were pruned are missing: the first may be of a higher number than the next. */
  eventsAfter(seq: number, limit: number): Promise<readonly StreamEvent[]>
  /** Every bit that is set in buckets of `fromMinute` and later, the authorities, and the prefixes that are kept through it or longer, for building the set at start, consistent with `seq`. */
  load(fromMinute: number): Promise<LoadedSet>
  /** Drops events up to this number, never the newest; what they did stays in the set. Recorded, so that a replay drops the same. Returns how many. */
  prune(throughSeq: number, by: Actor): Promise<number>
}

export interface LoadedSet {
  readonly seq: number
  readonly chainHash: Uint8Array
  readonly buckets: readonly { readonly shard: number; readonly minute: number; readonly superseded: readonly number[]; readonly revoked: readonly number[] }[]
  readonly authorities: readonly { readonly id: string; readonly revoked: boolean }[]
  readonly prefixes: readonly { readonly prefix: SpiffeId; readonly minute: number }[]
}

export interface RestorePlan {
  /** Prepared and activated in the place of all that are published. */
  readonly authority: Omit<Authority, 'state' | 'activatedAtMs' | 'endedByRestore'>
  /** No credential that was issued before is valid for longer. */
  readonly leavesEndByMs: number
  /** Whether agents whose SVID an ended authority signed come back with it; else each joins with a new token. */
  readonly agentsReturn: boolean
  readonly reason: string
}

export interface Restored {
  readonly epoch: number
  readonly shard: number
  /** With the names of their keys, which nothing needs any more. */
  readonly endedAuthorities: readonly { readonly id: string; readonly keyName: string }[]
  readonly credentials: number
}

/** Backup, rollback and restore (design 6, Epochs). */
export interface RecoveryStore {
  /** Unset while nothing says that this store is behind its own past. */
  rolledBack(): Promise<RolledBack | undefined>
  /** Notes it; afterwards `credentials.reserve` throws SERVER_ROLLED_BACK but for the server's own SVID, until {@link RecoveryStore.restore}. The highest that was seen is kept. */
  noteRolledBack(seen: SeenHead, by: Actor): Promise<void>
  /**
   * In one transaction: epoch max(old + 1, seen + 1, Unix seconds), another shard, this authority activated, every other one and all that they signed ended, open join
   * tokens void, the stream begun anew. The store is to be opened anew after it. @throws LIMIT_EXCEEDED when no shard is free
   */
  restore(plan: RestorePlan, by: Actor): Promise<Restored>
  /** Copies the file, while others go on writing: all that was committed at this call, and on the disk when it resolves. @throws ALREADY_EXISTS, STORE_UNWRITABLE, SHUTTING_DOWN */
  copyTo(path: string): Promise<void>
}

/** What a commit did, in order, given to listeners on the main thread before the promises of its transactions resolve. */
export interface Commit {
  readonly records: readonly CommittedRecord[]
  readonly streamEvents: readonly StreamEvent[]
}

export interface CommittedRecord {
  readonly seq: number
  readonly kind: JournalRecord['kind']
  /** Parsed when it is first looked at: ask for the kind first. */
  readonly record: JournalRecord
}

export interface JournalStore {
  onCommit(listener: (commit: Commit) => void): Disposable
  /** Told with each commit that could not be made durable, why: whoever asked for a part of it is told STORE_UNWRITABLE. */
  onRefused(listener: (error: MayflyError) => void): Disposable
  head(): Promise<{ readonly seq: number; readonly hash: Uint8Array }>
  /** Records from `seq` on, oldest first, at most `limit`. */
  from(seq: number, limit: number): Promise<readonly CommittedRecord[]>
  /** Checks the hash chain, replays the whole journal into an empty store and compares every table. @throws STORE_CORRUPT */
  verify(): Promise<{ readonly records: number }>
  /** Writes something that changes nothing, durably: whether the store takes changes now. @throws {MayflyError} STORE_UNWRITABLE */
  probe(): Promise<void>
  /** Calls that wait for an answer. */
  waiting(): number
  /** For `status` and the bench: commits with fsync since the start, and transactions in them. */
  figures(): Promise<{ readonly commits: number; readonly transactions: number; readonly fileBytes: number }>
}
