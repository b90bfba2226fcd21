import { createHash } from 'node:crypto'
import { MayflyError } from '../../src/core/errors.ts'
import { isOwnRequest } from '../../src/core/approval/own-request.ts'
import { approvalExpiryMs, requestStatement, stepStatement } from '../../src/core/approval/statement.ts'
import type { Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type { PolicyDecision } from '../../src/core/grant/policy-request.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Directory } from '../grants/directory.ts'
import { questionOf } from '../grants/facts.ts'
import { waiversOf } from '../policy/exceptions.ts'
import type { Policies } from '../policy/policies.ts'
import type { Person } from '../store/grant-model.ts'
import type { GrantStore, PeopleStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import { checkSignature } from './signer.ts'
import type { StepApprovals, WaitingStep } from './step-approvals.ts'

export interface ApprovalsDeps {
  readonly trustDomain: TrustDomain
  readonly store: { readonly grants: GrantStore; readonly people: PeopleStore }
  readonly directory: Directory
  readonly policies: Policies
  readonly steps: StepApprovals
  readonly log: Logger
}

/** What a person brings. */
export interface SignedWord {
  /** Of the grant, or of the step that waits. */
  readonly id: string
  readonly approver: string
  /** Armoured. */
  readonly signature: string
}

/** What waits for people: a request, or one step of a running grant; and the words to sign for a yes. */
export interface Waiting {
  readonly id: string
  readonly grant: Grant
  readonly step?: WaitingStep
  readonly needed: number
  readonly givenBy: readonly string[]
  readonly approvers: readonly string[]
  readonly lapsesAtMs: number
  readonly words: string
}

const pageSize = 1_000
/** Most names of those who may approve that a task is told, and most people about whom policy is asked for it. */
const maxNamed = 20
const maxLooked = 50

/** Approvals, denials and withdrawals by people: each verified, asked of policy, and recorded with its signature, so that anybody can check it later. */
export class Approvals {
  readonly #deps: ApprovalsDeps

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps
  }

  /** Everything that waits, requests first. */
  async waiting(): Promise<readonly Waiting[]> {
    const { store, steps } = this.#deps
    const requests: Grant[] = []
    for (let after: string | undefined; ; ) {
      const page = await store.grants.list({ states: ['pending_approval'] }, { size: pageSize, ...(after === undefined ? {} : { after }) })
      requests.push(...page.items)
      after = page.next
      if (after === undefined) break
    }
    const ofRequests = await Promise.all(requests.map(async (grant) => await this.#ofRequest(grant, await this.#roleOf(grant))))
    return [...ofRequests, ...(await Promise.all(steps.all().map(async (step) => await this.#ofStep(step, await this.#roleOf(step.grant)))))]
  }

  /** One request or step by its ID, also a request that does not wait (any more): for who withdraws, or checks later what was signed. @throws {MayflyError} NOT_FOUND */
  async byId(id: string): Promise<Waiting> {
    const step = this.#deps.steps.byId(id)
    if (step !== undefined) return await this.#ofStep(step, await this.#roleOf(step.grant))
    const grant = await this.#grant(id)
    return await this.#ofRequest(grant, await this.#roleOf(grant))
  }

  /** Names of the people who may still approve a request as it stands, in their order, at most 20: registered, named by the role, neither its requester nor its owner, and let by policy. */
  async mayApprove(grant: Grant, nowMs: number): Promise<readonly string[]> {
    if (grant.state !== 'pending_approval') return []
    const role = (await this.#deps.directory.roles()).get(grant.role)
    if (role === undefined) return []
    const left = (await this.#deps.directory.people()).filter((person) => !isOwnRequest(person, grant) && (role.approvers.length === 0 || role.approvers.includes(person.name)) && !grant.approvals.some(({ approver }) => approver === person.name))
    const named: string[] = []
    for (const person of left.slice(0, maxLooked)) {
      if ((await this.#decide(person, grant, role, nowMs)).allowed) named.push(person.name)
      if (named.length === maxNamed) break
    }
    return named
  }

  /** @throws {MayflyError} NOT_FOUND, APPROVAL_INVALID, GRANT_STATE, GRANT_LAPSED, GRANT_DENIED */
  async approve(word: SignedWord, by: Actor): Promise<Grant> {
    const step = this.#deps.steps.byId(word.id)
    return step === undefined ? await this.#approveRequest(word, by) : await this.#decideStep(word, step, 'approve', '', by)
  }

  /** @throws as {@link approve} */
  async deny(word: SignedWord, reason: string, by: Actor): Promise<Grant> {
    const { trustDomain, store, log, steps } = this.#deps
    const step = steps.byId(word.id)
    if (step !== undefined) return await this.#decideStep(word, step, 'deny', reason, by)
    const grant = await this.#grant(word.id)
    const person = await this.#signer(word, requestStatement('deny', trustDomain, await this.#asRequested(grant)))
    checkMaySpeak('deny', person, grant, await this.#roleOf(grant))
    const moved = await store.grants.move(grant.id, grant.version, { kind: 'denied', approver: person.name, reason }, by)
    log.info({ event: 'grant.denied', grantId: grant.id, approver: person.name, reason }, 'a person denied a request')
    return moved.grant
  }

  /** Takes an approval back: the grant ends when too few are left. @throws as {@link approve} */
  async withdraw(word: SignedWord, by: Actor): Promise<Grant> {
    const { trustDomain, store, log } = this.#deps
    const grant = await this.#grant(word.id)
    const person = await this.#signer(word, requestStatement('withdraw', trustDomain, await this.#asRequested(grant)))
    const moved = await store.grants.move(grant.id, undefined, { kind: 'withdrawn', approver: person.name }, by)
    log.info({ event: 'grant.approval_withdrawn', grantId: grant.id, approver: person.name, state: moved.grant.state }, 'an approval was withdrawn')
    return moved.grant
  }

  async #approveRequest(word: SignedWord, by: Actor): Promise<Grant> {
    const { trustDomain, store, log } = this.#deps
    const grant = await this.#grant(word.id)
    const person = await this.#signer(word, requestStatement('approve', trustDomain, await this.#asRequested(grant)))
    const role = await this.#roleOf(grant)
    checkMaySpeak('approve', person, grant, role)
    await this.#askPolicy(person, grant, role, by.atMs)
    const approval = { approver: person.name, atMs: by.atMs, expiresAtMs: approvalExpiryMs(grant), signature: word.signature, withdrawn: false }
    const moved = await store.grants.move(grant.id, grant.version, { kind: 'approved', approval, requestHash: grant.requestHash }, by)
    log.info({ event: 'grant.approved', grantId: grant.id, approver: person.name, state: moved.grant.state }, 'a person approved a request')
    return moved.grant
  }

  async #decideStep(word: SignedWord, step: WaitingStep, verb: 'approve' | 'deny', reason: string, by: Actor): Promise<Grant> {
    const { trustDomain, store, steps, log } = this.#deps
    const { grant } = step
    const words = stepStatement(verb, trustDomain, await this.#asRequested(grant), step)
    const person = await this.#signer(word, words)
    const role = await this.#roleOf(grant)
    checkMaySpeak(verb, person, grant, role)
    if (verb === 'approve') await this.#askPolicy(person, grant, role, by.atMs)
    await store.people.spendSignature({ approver: person.name, signedHash: createHash('sha256').update(words).digest('hex'), signature: word.signature }, by)
    const waited = steps.say(step.id, verb === 'approve' ? { kind: 'approved', approver: person.name } : { kind: 'denied', approver: person.name, reason })
    if (!waited) throw new MayflyError('GRANT_LAPSED', 'the step does not wait any more')
    log.info({ event: verb === 'approve' ? 'step.approved' : 'step.denied', grantId: grant.id, step: step.id, action: step.action, resource: step.resource, approver: person.name }, 'a person decided a step')
    return grant
  }

  async #signer({ approver, signature }: SignedWord, words: string): Promise<Person> {
    return checkSignature(await this.#deps.store.people.byName(approver), words, signature)
  }

  async #askPolicy(person: Person, grant: Grant, role: GrantRole, nowMs: number): Promise<void> {
    const { allowed, reasons } = await this.#decide(person, grant, role, nowMs)
    if (!allowed) throw new MayflyError('APPROVAL_INVALID', `policy does not let ${person.name} approve this: ${reasons.join(', ')}`, { hint: 'somebody else has to', details: { reasons: reasons.join(',') } })
  }

  async #decide(person: Person, grant: Grant, role: GrantRole, nowMs: number): Promise<PolicyDecision> {
    const { directory, policies } = this.#deps
    const waivers = waiversOf(await directory.exceptions(), { role: role.name, owner: grant.owner, spiffeId: role.spiffeId }, nowMs)
    const attested = { selectors: [], tier: role.minTier, probes: role.probes.map((name) => ({ name, ok: true })), progressSecondsAgo: 0 }
    const question = questionOf('approve', grant, role, attested, { ownerKnown: await directory.isOwner(grant.owner), recentDenials: 0, recentExpiries: 0, waivers, nowMs })
    return (await policies.decider()).decide({ ...question, principal: { kind: 'person', name: person.name, owners: person.owners, roles: person.roles } })
  }

  async #grant(id: string): Promise<Grant> {
    const grant = await this.#deps.store.grants.byId(id)
    if (grant === undefined) throw new MayflyError('NOT_FOUND', 'no grant or step that waits has this ID', { hint: 'mayfly approvals shows what waits' })
    return grant
  }

  /** What people sign is the request as it was made: which process is bound by now, and whose it is, are not of it. */
  async #asRequested(grant: Grant): Promise<Grant> {
    return (await this.#deps.store.grants.asRequested(grant.id)) ?? grant
  }

  async #roleOf(grant: Grant): Promise<GrantRole> {
    return await this.#deps.directory.role(grant.role)
  }

  async #ofRequest(grant: Grant, role: GrantRole): Promise<Waiting> {
    const givenBy = grant.approvals.filter(({ withdrawn }) => !withdrawn).map(({ approver }) => approver)
    const words = requestStatement('approve', this.#deps.trustDomain, await this.#asRequested(grant))
    return { id: grant.id, grant, needed: grant.approvalsNeeded, givenBy, approvers: role.approvers, lapsesAtMs: grant.lapsesAtMs, words }
  }

  async #ofStep(step: WaitingStep, role: GrantRole): Promise<Waiting> {
    const words = stepStatement('approve', this.#deps.trustDomain, await this.#asRequested(step.grant), step)
    return { id: step.id, grant: step.grant, step, needed: step.needed, givenBy: this.#deps.steps.givenBy(step.id), approvers: role.approvers, lapsesAtMs: step.lapsesAtMs, words }
  }
}

/** What no policy can allow (invariant 9): only those whom the role names approve or deny, and whoever it belongs to never approves; they may deny it. */
function checkMaySpeak(verb: 'approve' | 'deny', person: Person, grant: Grant, { name, approvers }: GrantRole): void {
  if (verb === 'approve' && isOwnRequest(person, grant)) throw new MayflyError('APPROVAL_INVALID', 'nobody approves a request of their own, or of an owner that they speak for', { hint: 'somebody else has to' })
  if (approvers.length > 0 && !approvers.includes(person.name)) throw new MayflyError('APPROVAL_INVALID', `${person.name} is not one of the approvers of the role ${name}`, { hint: `ask ${approvers.join(', ')}` })
}
