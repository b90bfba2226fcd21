import type { Decision, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type {
  DecidedMove, GrantActivation, GrantEnding, GrantFilter, GrantIssue, GrantIssued, Owner, OwnerShare, Person, PlainMove, PolicyException, PolicyVersion, RecordedDecision, TakenStep,
} from './grant-model.ts'
import type { Actor, EndResult, Page, PageOf } from './model.ts'

/** What ended, and where in the stream it is. */
export interface GrantEndResult extends EndResult {
  /** IDs of the grants that ended now, parents before their children; none when it had ended before. */
  readonly ended: readonly string[]
}

export interface GrantMoved extends GrantEndResult {
  /** As it is now. */
  readonly grant: Grant
}

/**
 * Grants and the state machine of design 7. Each call is one transaction, in which everything that must hold is looked at again, so that no two calls can break an invariant
 * between them: state, version, budget, parent and ancestors, role, owner, agent, disabled targets, whose key it is.
 *
 * Codes: NOT_FOUND (no such grant), PRECONDITION_FAILED (it moved since `ifVersion`: decide again), GRANT_STATE, GRANT_DENIED, GRANT_LAPSED, GRANT_ENDED, and those named at each call.
 */
export interface GrantStore {
  /**
   * Writes a request down, in the state `requested`, and what was decided of it at once when that is given. A child's budget is taken from its parent.
   * @throws ALREADY_EXISTS, ROLE_UNKNOWN (or another version of it), OWNER_MISSING, INTENT_OUTSIDE_ROLE, BUDGET_SPENT, GRANT_STATE (the parent or one above is not active),
   * TARGET_DISABLED, AGENT_BANNED, INVALID_ARGUMENT (a hash or a field is not what it must be)
   */
  request(grant: Grant, by: Actor, decided?: { readonly move: DecidedMove; readonly asked: string }): Promise<Grant>
  /**
   * One plain move. Suspending revokes; an approval that is withdrawn ends the grant when too few are left (cause `approval_withdrawn`), and so does what lapses all below it.
   * @throws APPROVAL_INVALID: not registered, may not approve it, approves what is theirs, or the signature was used before
   */
  move(id: string, ifVersion: number | undefined, move: PlainMove, by: Actor, asked?: string): Promise<GrantMoved>
  /**
   * Reserves the credential and makes the grant active; nothing may be signed before this resolves. PRECONDITION_FAILED also when another policy is in force than it was decided by.
   * @throws ROLE_UNKNOWN, OWNER_MISSING, BINDING_TOO_WEAK, TTL_TOO_LONG (past the limit of invariant 3), KEY_DENIED, TARGET_DISABLED, AGENT_BANNED, BUDGET_SPENT, as `credentials.reserve`
   */
  activate(id: string, activation: GrantActivation, by: Actor): Promise<GrantIssued>
  /** Reserves another credential and supersedes the one before. @throws as {@link GrantStore.activate}, and INTENT_OUTSIDE_ROLE when the role no longer allows what it does */
  renew(id: string, renewal: GrantIssue, by: Actor): Promise<GrantIssued>
  /** Gives the agent up to `steps` of the budget; what is left of a block that is lost is spent. @throws BUDGET_SPENT when none is left */
  lease(id: string, steps: number, by: Actor): Promise<{ readonly steps: number; readonly grant: Grant }>
  /**
   * Ends it and all below it (cause `parent_ended`) and revokes what they hold, in one transaction: a tree by its prefix, one alone by a bit. A request that was not approved yet lapses.
   * Again it changes nothing, and the first cause stays. Keys are denied for the causes `leak` and `operator`.
   */
  end(id: string, ending: GrantEnding, by: Actor): Promise<GrantMoved>
  /** Ends up to `limit` (1 to 1,000) of those that have not ended, each with all below it, in the order of their IDs; `more`: call again. A thousand hold up other commits for some 200 ms. */
  endWhere(filter: GrantFilter, ending: GrantEnding, limit: number, by: Actor): Promise<GrantEndResult & { readonly more: boolean }>
  /** Lapses up to `limit` (1 to 1,000) requests whose time is over at `by.atMs`. Returns their IDs. */
  lapseDue(limit: number, by: Actor): Promise<readonly string[]>
  /** `ending` → `ended` for those of these that are ending: what they left behind is cleaned up. Returns how many. */
  finish(ids: readonly string[], by: Actor): Promise<number>
  /** Steps as an agent reports them, for its own grants, also ended ones; others are passed over. Returns how many were recorded. */
  recordSteps(steps: readonly TakenStep[], by: Actor & { readonly agentId?: Grant['agentId'] }): Promise<number>
  /** A decision that moves nothing: a denied renewal or step, a re-evaluation. */
  recordDecision(id: string, decision: Decision, asked: string, by: Actor): Promise<void>
  byId(id: string): Promise<Grant | undefined>
  /** The same with the process and the owner that it was requested for, whichever it is bound to and belongs to by now: what its approvers signed. */
  asRequested(id: string): Promise<Grant | undefined>
  /** Those that ever held this key, also those that are over. @param publicKeyHash 64 hexadecimal digits */
  byKey(publicKeyHash: string): Promise<readonly Grant[]>
  /** In the order of their IDs. */
  list(filter: GrantFilter, page: Page): Promise<PageOf<Grant>>
  count(filter: GrantFilter): Promise<number>
  /** All that are not over, for the start: in the order of their IDs. */
  live(page: Page): Promise<PageOf<Grant>>
  /** Oldest first. */
  steps(id: string, page: Page): Promise<PageOf<TakenStep>>
  /** Oldest first. */
  decisions(id: string): Promise<readonly RecordedDecision[]>
  /** Of all grants, for a replay: those decided at this time or later that know what was asked, oldest first. */
  decisionsSince(sinceMs: number, page: Page): Promise<PageOf<RecordedDecision>>
  /** Drops grants that were over before, with their steps and decisions; the journal keeps them. Returns how many. */
  prune(beforeMs: number, by: Actor): Promise<number>
}

export interface RoleStore {
  /** @param ifVersion the version that is replaced; 0 for a new one. @throws PRECONDITION_FAILED, OWNER_MISSING, INVALID_ARGUMENT, INTENT_INVALID */
  put(role: Omit<GrantRole, 'version'>, ifVersion: number, by: Actor): Promise<GrantRole>
  /** Nothing is requested, activated or renewed under it any more. @throws ROLE_UNKNOWN */
  delete(name: string, by: Actor): Promise<void>
  byName(name: string): Promise<GrantRole | undefined>
  /** In the order of their names. */
  all(): Promise<readonly GrantRole[]>
}

export interface RemoveOwnerOptions {
  /** Ends what is theirs; without it, removal is refused while they own anything (EXPECTATION_FAILED). */
  readonly endAll: boolean
  readonly dryRun: boolean
  /** The number of grants and entries that must be hit, else EXPECTATION_FAILED. */
  readonly expect?: number
}

export interface OwnerEnd extends GrantEndResult {
  readonly owned: { readonly grants: number; readonly entries: number; readonly roles: number }
  /** Pieces are left. Of a removal: call `targets.continueEnd` until there are none; nothing of it gets anything any more. */
  readonly more: boolean
}

export interface OwnerStore {
  /** Registers it, also after it was removed; what was ended stays so. @throws INVALID_ARGUMENT */
  put(owner: Pick<Owner, 'name' | 'contact'>, by: Actor): Promise<Owner>
  /** In the order of their names. */
  all(): Promise<readonly OwnerShare[]>
  /** What has no owner that is registered: `entry <id>`, `role <name>`, `grant <id>`; at most this many. */
  unowned(limit: number): Promise<readonly string[]>
  /** Gives entries, roles and running grants another owner; requests that wait lapse, since what was to be approved is another request then. Roles at once, the rest in pieces: call it again while there is `more`. @throws OWNER_MISSING */
  transfer(from: string, to: string, by: Actor): Promise<OwnerEnd>
  /** From then on nothing is issued for it; its grants and its entries' credentials end (cause `owner_removed`), in pieces. @throws OWNER_MISSING, EXPECTATION_FAILED */
  remove(name: string, options: RemoveOwnerOptions, by: Actor): Promise<OwnerEnd>
}

export interface PeopleStore {
  /** @throws INVALID_ARGUMENT; ALREADY_EXISTS when one of the keys is somebody else's */
  put(person: Omit<Person, 'addedAtMs'>, by: Actor): Promise<Person>
  /** @throws NOT_FOUND */
  remove(name: string, by: Actor): Promise<void>
  byName(name: string): Promise<Person | undefined>
  all(): Promise<readonly Person[]>
  /** Spends a signature that approves something other than a request: it is good once, and one person signs one thing once. @throws APPROVAL_INVALID when either was before */
  spendSignature(spent: { readonly approver: string; readonly signedHash: string; readonly signature: string }, by: Actor): Promise<void>
}

export interface PolicyStore {
  /** @param ifVersion of the one in force; 0 when there is none. @throws PRECONDITION_FAILED */
  apply(set: Pick<PolicyVersion, 'policies' | 'hash' | 'reason'>, ifVersion: number, by: Actor): Promise<PolicyVersion>
  current(): Promise<PolicyVersion | undefined>
  byHash(hash: string): Promise<PolicyVersion | undefined>
  /** The latest first. */
  history(limit: number): Promise<readonly PolicyVersion[]>
}

export interface ExceptionStore {
  /**
   * Writes it down and spends the approver's signature, both or neither.
   * @throws INVALID_ARGUMENT when its review is not later than now, ALREADY_EXISTS, OWNER_MISSING, APPROVAL_INVALID when the approver is not registered or the signature was used before
   */
  put(exception: Omit<PolicyException, 'createdAtMs'>, signed: { readonly signedHash: string; readonly signature: string }, by: Actor): Promise<PolicyException>
  /** @throws NOT_FOUND */
  remove(id: string, by: Actor): Promise<void>
  /** Those past their review too: they are listed until somebody removes them. */
  all(): Promise<readonly PolicyException[]>
}

