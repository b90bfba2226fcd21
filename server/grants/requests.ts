import type { Budget, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import { grantIdOf, isGrantId } from '../../src/core/grant/grant-id.ts'
import { parseIntent, plainText, type RawIntent } from '../../src/core/grant/intent.ts'
import { requestedGrant } from '../../src/core/grant/request.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { spiffeIdOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { DecidedMove } from '../store/grant-model.ts'
import type { Actor } from '../store/port.ts'
import type { Directory } from './directory.ts'
import type { AttestedFacts } from './facts.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'
import { intentHashOf, requestHashOf } from './hashes.ts'
import { historyOf } from './history.ts'
import type { Judge, Judgement } from './judge.ts'
import type { GrantStore } from '../store/grant-port.ts'

/** A request as it comes from an agent: what the task declares, and what the agent attests of it. */
export interface AttestedWish {
  /** Of the workload, whole or as its path; empty when the role is named. */
  readonly spiffeId: string
  /** Empty when one role alone has the ID. */
  readonly role: string
  readonly intent: RawIntent
  readonly ttlSeconds: number
  readonly budget: Partial<Budget>
  readonly requester: string
  readonly instance: string
  /** Empty for the root of a tree. */
  readonly parentGrantId: string
  /** A grant of the same node that the asking process runs inside of without having asked for it; empty for a child, and for who is in none. */
  readonly insideGrantId: string
  readonly attested: AttestedFacts
}

export interface RequestsDeps {
  readonly store: { readonly grants: GrantStore }
  readonly registry: RequesterPlaces
  readonly directory: Directory
  readonly index: GrantIndex
  readonly judge: Judge
  readonly time: GrantTime
  readonly random: Random
  readonly log: Logger
  readonly trustDomain: TrustDomain
}

/** Whether an agent is the one that is named, or has this alias. */
export interface RequesterPlaces {
  isUnder(agentId: SpiffeId, parentId: SpiffeId): boolean
}

const maxInstanceBytes = 200
const maxRequesterBytes = 300

/**
 * Takes a request: its role, its intent within the role and its parent, what policy says, and all of it written down in one transaction. Returns the grant: denied, waiting for
 * people, or approved. @throws {MayflyError} ROLE_UNKNOWN, SPIFFE_ID_INVALID, INTENT_INVALID, INTENT_OUTSIDE_ROLE, OWNER_MISSING, BUDGET_SPENT, GRANT_STATE, PERMISSION_DENIED, CLOCK_JUMPED, …
 */
export async function requestGrant(wish: AttestedWish, agentId: SpiffeId, deps: RequestsDeps): Promise<Grant> {
  const { store, time, index, random, judge, trustDomain, log } = deps
  checkClock(time)
  const parent = parentOf(wish, agentId, index)
  const role = await roleOf(wish, parent, deps)
  checkRequester(role, agentId, wish.attested.selectors, deps.registry)
  const instance = plainText('the instance', wish.instance, maxInstanceBytes)
  const requester = `${plainText('the requester', wish.requester, maxRequesterBytes)} on ${agentId}`
  const nowMs = time.nowMs()
  const terms = { id: grantIdOf(random.bytes(16)), agentId, requester, instance, intent: parseIntent(wish.intent), budget: wish.budget, ttlSeconds: wish.ttlSeconds, requestedAtMs: nowMs }
  const plain = requestedGrant(role, parent, { ...terms, flags: [] })
  const history = await historyOf(store, plain, nowMs)
  const unhashed = requestedGrant(role, parent, { ...terms, flags: wish.insideGrantId === '' ? history.flags : [...history.flags, 'inside_grant'] })
  const grant: Grant = { ...unhashed, intentHash: intentHashOf(unhashed.intent), requestHash: requestHashOf(trustDomain, unhashed) }
  const subject = { grant, role, attested: wish.attested, outcomes: history }
  const asked = await judge.judge('request', subject, nowMs)
  // what its activation would be told, so that nobody is asked to approve what cannot come to anything
  const ahead = await judge.judge('activate', subject, nowMs, { at: 'request' })
  const decided = wish.insideGrantId === '' || role.fromInside === true ? decide(asked, ahead, role) : deniedInside(asked.decision)
  const by: Actor = { name: requester, atMs: nowMs }
  const stored = await store.grants.request(grant, by, decided)
  log.info({ event: 'grant.requested', grantId: stored.id, spiffeId: stored.spiffeId, role: role.name, requester, actions: stored.intent.actions, resources: stored.intent.resources, flags: stored.flags }, 'a grant was requested')
  sayDecided(stored, wish.insideGrantId, log)
  return stored
}

/** @throws {MayflyError} CLOCK_JUMPED while the time of grants and the wall clock differ by more than a leap */
export function checkClock(time: GrantTime): void {
  const { leapMs } = time
  if (leapMs !== undefined) throw new MayflyError('CLOCK_JUMPED', `the clock of the server is ${Math.abs(Math.round(leapMs / 1_000))} s ${leapMs > 0 ? 'ahead of' : 'behind'} the time that has passed: no grant is given`, { hint: 'set the clock of the server right' })
}

/** The process still is one that may ask for this role. @throws {MayflyError} PERMISSION_DENIED */
export function checkRequester(role: GrantRole, agentId: SpiffeId, selectors: readonly string[], places: RequesterPlaces): void {
  const facts = new Set(selectors)
  const may = role.requesters.some((requester) => requester.selectors.length > 0 && requester.selectors.every((selector) => facts.has(selector)) && places.isUnder(agentId, requester.parentId))
  if (!may) throw new MayflyError('PERMISSION_DENIED', `this process is none of those that may ask for the role ${role.name}`, { hint: `mayfly role show ${role.name}` })
}

function parentOf({ parentGrantId, instance }: AttestedWish, agentId: SpiffeId, index: GrantIndex): Grant | undefined {
  if (parentGrantId === '') return undefined
  const parent = isGrantId(parentGrantId) ? index.byId(parentGrantId) : undefined
  if (parent?.agentId !== agentId) throw new MayflyError('NOT_FOUND', 'no such parent grant on this node')
  if (parent.state !== 'active') throw new MayflyError('GRANT_STATE', `the parent is ${parent.state}`)
  if (instance === '') throw new MayflyError('INVALID_ARGUMENT', 'a request names the asking process')
  return parent
}

async function roleOf({ role: name, spiffeId: typed }: AttestedWish, parent: Grant | undefined, { directory, trustDomain }: Pick<RequestsDeps, 'directory' | 'trustDomain'>): Promise<GrantRole> {
  const spiffeId = typed.startsWith('/') ? spiffeIdOf(trustDomain, typed) : typed
  const wanted = name === '' ? parent?.role : name
  if (wanted !== undefined) {
    const role = await directory.role(wanted)
    if (spiffeId !== '' && role.spiffeId !== spiffeId) throw new MayflyError('ROLE_UNKNOWN', `the role ${wanted} is not of ${spiffeId}`, { hint: 'mayfly role list' })
    if (parent !== undefined && (await directory.role(parent.role)).spiffeId !== role.spiffeId) throw new MayflyError('INTENT_OUTSIDE_ROLE', 'a child is of the same workload as its parent')
    return role
  }
  const having = [...(await directory.roles()).values()].filter((role) => role.spiffeId === spiffeId)
  const [role] = having
  if (role === undefined) throw new MayflyError('ROLE_UNKNOWN', `no grant role for ${JSON.stringify(spiffeId.slice(0, 200))}`, { hint: 'mayfly role list' })
  if (having.length > 1) throw new MayflyError('INVALID_ARGUMENT', `several roles are of ${spiffeId}`, { hint: `name one: ${having.map((one) => one.name).join(', ')}` })
  return role
}

function decide(request: Judgement, activation: Judgement, role: GrantRole): { readonly move: DecidedMove; readonly asked: string } {
  const denied = [request, activation].find(({ decision, approvalsWanted }) => !decision.allowed && approvalsWanted === 0)
  if (denied !== undefined) return { move: { kind: 'decided', decision: denied.decision, outcome: 'denied', approvalsNeeded: 0 }, asked: denied.asked }
  const approvalsNeeded = Math.max(role.approvals, request.approvalsWanted, activation.approvalsWanted)
  const { decision, asked } = request.decision.allowed ? (activation.decision.allowed ? request : activation) : request
  return { move: { kind: 'decided', decision, outcome: approvalsNeeded > 0 ? 'pending' : 'approved', approvalsNeeded }, asked }
}

/** Whatever policy says: what a task may hand on is its grant's to give, as children within its intent and budget (invariants 6 and 7). */
function deniedInside({ at, policyHash, atMs }: Judgement['decision']): ReturnType<typeof decide> {
  return { move: { kind: 'decided', decision: { at, allowed: false, reasons: ['inside-grant'], policyHash, atMs }, outcome: 'denied', approvalsNeeded: 0 }, asked: '' }
}

function sayDecided({ id, state, decision, approvalsNeeded, lapsesAtMs }: Grant, insideGrantId: string, log: Logger): void {
  const inside = insideGrantId === '' ? {} : { insideGrantId }
  if (state === 'denied') log.warn({ event: 'grant.denied', grantId: id, at: 'request', reasons: decision?.reasons ?? [], ...inside }, 'policy denies a request')
  if (state === 'pending_approval') log.info({ event: 'grant.approval_wanted', grantId: id, approvalsNeeded, lapsesAtMs }, 'a request waits for people')
}
