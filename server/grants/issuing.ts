import { MayflyError } from '../../src/core/errors.ts'
import type { BindingKind, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import { approvedUntilMs, deadlineMs, latestNotAfterMs } from '../../src/core/grant/limits.ts'
import { plainText } from '../../src/core/grant/intent.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { IssueOutcome, IssueRequest } from '../ca/pipeline.ts'
import type { GrantIssue, GrantIssued } from '../store/grant-model.ts'
import type { CredentialRequest, ReserveResult } from '../store/port.ts'
import type { Directory } from './directory.ts'
import type { AttestedFacts } from './facts.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'
import type { Judge, Judgement } from './judge.ts'
import { checkClock, checkRequester } from './requests.ts'
import type { RequesterPlaces } from './requests.ts'
import type { GrantStore } from '../store/grant-port.ts'

/** What an agent shows to have a credential for a grant. */
export interface IssueWish {
  readonly grantId: string
  readonly csr: Uint8Array
  /** Of the bound process, as the agent names it. */
  readonly instance: string
  readonly binding: string
  readonly attested: AttestedFacts
}

export interface IssuedCredential {
  readonly grant: Grant
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly role: GrantRole
  readonly judgement: Judgement
}

export interface IssuingDeps {
  readonly store: { readonly grants: GrantStore }
  readonly registry: RequesterPlaces
  readonly directory: Directory
  readonly index: GrantIndex
  readonly judge: Judge
  readonly time: GrantTime
  readonly issuer: { issue(requests: readonly IssueRequest[], signal: AbortSignal): Promise<readonly IssueOutcome[]> }
  /** Of the profile. */
  readonly maxTtlSeconds: number
  readonly log: Logger
  /** Called when somebody else wants what a running grant has. */
  readonly onSecondUse: (grant: Grant, detail: string) => void
}

type Kind = 'activate' | 'renew'
const bindings: readonly BindingKind[] = ['process', 'cgroup', 'container']
const maxInstanceBytes = 200
/** So often a grant that moves meanwhile is decided again. */
const attempts = 4

/**
 * Makes an approved grant active, or gives an active one another credential: each is a decision of its own, on facts of this moment. Written down before it is signed.
 * @throws {MayflyError} GRANT_DENIED with the controls that deny, GRANT_STATE, GRANT_LAPSED, GRANT_ENDED, BUDGET_SPENT, BINDING_TOO_WEAK, OWNER_MISSING, KEY_DENIED, CSR_INVALID, …
 */
export async function issueForGrant(kind: Kind, wish: IssueWish, agentId: SpiffeId, signal: AbortSignal, deps: IssuingDeps): Promise<IssuedCredential> {
  checkClock(deps.time)
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptIssue(kind, wish, agentId, signal, deps)
    } catch (error) {
      if (!(error instanceof MayflyError) || error.code !== 'PRECONDITION_FAILED' || attempt === attempts) throw error
    }
  }
}

/** The grant, when it is this agent's. @throws {MayflyError} NOT_FOUND */
export function ownGrant(id: string, agentId: SpiffeId, index: GrantIndex): Grant {
  const grant = index.byId(id)
  if (grant?.agentId !== agentId) throw new MayflyError('NOT_FOUND', 'no such grant on this node, or it is over')
  return grant
}

async function attemptIssue(kind: Kind, wish: IssueWish, agentId: SpiffeId, signal: AbortSignal, deps: IssuingDeps): Promise<IssuedCredential> {
  const { index, directory, judge, time, log } = deps
  const { attested } = wish
  const grant = ownGrant(wish.grantId, agentId, index)
  checkState(kind, grant, wish, deps)
  const role = await directory.role(grant.role)
  checkRequester(role, agentId, attested.selectors, deps.registry)
  const nowMs = time.nowMs()
  const judgement = await judge.judge(kind, { grant, role, attested }, nowMs)
  if (!judgement.decision.allowed) throw await denied(grant, kind, judgement, nowMs, deps)
  const { outcome, reserved } = await sign(kind, grant, role, wish, judgement, nowMs, signal, deps)
  judge.keep(grant.id, attested)
  const facts = { grantId: grant.id, spiffeId: grant.spiffeId, serial: reserved.serial, notAfterMs: outcome.notAfterMs, deadlineMs: reserved.deadlineMs, tier: reserved.tier, reasons: judgement.decision.reasons }
  if (kind === 'activate') log.info({ event: 'grant.activated', ...facts }, 'a grant is active')
  else log.info({ event: 'grant.renewed', ...facts }, 'a grant has another credential')
  return { grant: reserved, chain: outcome.chain, role, judgement }
}

/** Said early and plainly; the store looks again in its transaction. */
function checkState(kind: Kind, grant: Grant, { instance }: IssueWish, { onSecondUse }: IssuingDeps): void {
  if (kind === 'activate' && grant.state === 'active' && grant.instance !== instance) onSecondUse(grant, 'another process was to be bound to it')
  if (kind === 'renew' && grant.instance !== instance) {
    onSecondUse(grant, 'another process asked for its renewal')
    throw new MayflyError('NOT_IN_BINDING', 'the grant is bound to another process')
  }
  const wanted = kind === 'activate' ? 'approved' : 'active'
  if (grant.state !== wanted) throw new MayflyError('GRANT_STATE', `a grant that is ${grant.state} cannot be ${kind === 'activate' ? 'activated' : 'renewed'}`)
}

/** Recorded, so that it can be explained. */
async function denied(grant: Grant, kind: Kind, { decision, asked, approvalsWanted }: Judgement, nowMs: number, { store, log }: IssuingDeps): Promise<MayflyError> {
  await store.grants.recordDecision(grant.id, decision, asked, { name: grant.agentId, atMs: nowMs })
  log.warn({ event: 'grant.denied', grantId: grant.id, at: kind, reasons: decision.reasons }, 'policy denies a credential')
  const people = approvalsWanted > 0 ? `; ${approvalsWanted} approvals would lift it` : ''
  return new MayflyError('GRANT_DENIED', `policy denies to ${kind} the grant: ${decision.reasons.join(', ')}${people}`, {
    hint: `mayfly policy explain ${grant.id}`,
    details: { reasons: decision.reasons.join(','), policyHash: decision.policyHash },
  })
}

async function sign(
  kind: Kind,
  grant: Grant,
  role: GrantRole,
  { csr, instance, binding, attested }: IssueWish,
  { decision, asked, standsUntilMs }: Judgement,
  nowMs: number,
  signal: AbortSignal,
  deps: IssuingDeps,
): Promise<{ readonly outcome: Extract<IssueOutcome, { kind: 'issued' }>; readonly reserved: Grant }> {
  const { store, index, issuer, maxTtlSeconds } = deps
  const parent = grant.parentId === '' ? undefined : index.byId(grant.parentId)
  const deadline = kind === 'activate' ? deadlineMs(grant, nowMs, parent?.deadlineMs) : grant.deadlineMs
  const limits = { deadlineMs: deadline, parentDeadlineMs: parent?.deadlineMs, approvedUntilMs: Math.min(approvedUntilMs(grant, nowMs), standsUntilMs), authorityNotAfterMs: Number.POSITIVE_INFINITY, ttlSeconds: Math.min(grant.ttlSeconds, role.credentialTtlSeconds, maxTtlSeconds) }
  const notAfterLimitMs = latestNotAfterMs(limits, nowMs)
  if (notAfterLimitMs - nowMs < 1_000) throw new MayflyError(kind === 'activate' ? 'BUDGET_SPENT' : 'GRANT_ENDED', 'there is no time left for a credential', kind === 'activate' ? { hint: 'times are in whole seconds: ask for two or more' } : {})
  const kindOfBinding = kind === 'activate' ? bindingOf(binding) : undefined
  const named = plainText('the instance', instance, maxInstanceBytes)
  const issued: { grant?: Grant } = {}
  const reserve = async (credential: CredentialRequest): Promise<ReserveResult> => {
    const issue: GrantIssue = { credential: { ...credential, kind: 'grant' }, decision, asked, ifVersion: grant.version }
    const by = { name: grant.agentId, atMs: nowMs }
    try {
      const result: GrantIssued =
        kindOfBinding === undefined ? await store.grants.renew(grant.id, issue, by) : await store.grants.activate(grant.id, { ...issue, instance: named, binding: kindOfBinding, tier: attested.tier }, by)
      issued.grant = result.grant
      return { ok: true, serial: result.serial }
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'KEY_DENIED') await noteKeyOfOthers(credential.publicKeyHash, grant, deps)
      throw error
    }
  }
  const claims = { id: grant.id, intentHash: grant.intentHash, policyHash: decision.policyHash, deadlineMs: deadline }
  const request: IssueRequest = {
    kind: 'grant',
    profile: 'grant',
    key: { csr },
    spiffeId: grant.spiffeId,
    dnsNames: [],
    ttlMs: Math.max(1_000, notAfterLimitMs - nowMs),
    notAfterLimitMs,
    agentId: grant.agentId,
    owner: grant.owner,
    grant: { claims, reserve },
  }
  const [outcome] = await issuer.issue([request], signal)
  if (outcome?.kind === 'refused') throw new MayflyError(outcome.code, outcome.message)
  if (outcome === undefined || issued.grant === undefined) throw new MayflyError('INTERNAL', 'no outcome')
  return { outcome, reserved: issued.grant }
}

/** Whoever asked has the key: it was proven before. */
async function noteKeyOfOthers(publicKeyHash: string, { id }: Grant, { store, onSecondUse }: IssuingDeps): Promise<void> {
  for (const holder of await store.grants.byKey(publicKeyHash)) if (holder.id !== id) onSecondUse(holder, 'its key was shown for another grant')
}

function bindingOf(text: string): BindingKind {
  const kind = bindings.find((one) => one === text)
  if (kind === undefined) throw new MayflyError('INVALID_ARGUMENT', `a binding is one of ${bindings.join(', ')}`)
  return kind
}
