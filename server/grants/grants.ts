import { MayflyError } from '../../src/core/errors.ts'
import type { Grant } from '../../src/core/grant/grant.ts'
import type { PolicyDecider } from '../../src/core/grant/policy-request.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Notice } from '../approvals/notify.ts'
import { StepApprovals } from '../approvals/step-approvals.ts'
import type { GrantMoved } from '../store/grant-port.ts'
import type { Actor, CredentialUse, Store } from '../store/port.ts'
import { Directory } from './directory.ts'
import { Ends } from './ends.ts'
import { failedProbes } from './facts.ts'
import type { Probe } from './facts.ts'
import { GrantIndex, isRunning, isWaiting } from './grant-index.ts'
import { GrantTime } from './grant-time.ts'
import { issueForGrant, ownGrant } from './issuing.ts'
import type { IssuedCredential, IssueWish, IssuingDeps } from './issuing.ts'
import { Judge } from './judge.ts'
import { noticeOfRequest, noticeOfStep } from './notices.ts'
import { OwnerChanges } from './owner-changes.ts'
import { ProofOfLife } from './proof-of-life.ts'
import { Reevaluations } from './reevaluation.ts'
import type { Reevaluation, ReevaluationOptions } from './reevaluation.ts'
import { requestGrant } from './requests.ts'
import type { AttestedWish, RequesterPlaces } from './requests.ts'
import { grantCopiedBy, SecondUse } from './second-use.ts'
import { Steps } from './steps.ts'
import { Sweep } from './sweep.ts'
import { TargetEnds } from './target-ends.ts'

export interface GrantsDeps {
  readonly store: Store
  readonly registry: RequesterPlaces
  /** The policy in force. */
  readonly decider: () => Promise<PolicyDecider>
  /** Its hash, known without loading it. */
  readonly policyHash: () => string
  readonly issuer: IssuingDeps['issuer']
  /** Longest life of one credential, of the profile. */
  readonly maxTtlSeconds: number
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** What an agent may say of the end of a grant of its own. */
export interface AgentEnding {
  readonly cause: Extract<Grant['cause'], 'completed' | 'failed' | 'process_exit' | 'container_restart' | 'posture' | 'timeout' | 'budget' | 'leak' | 'orphan'> | 'withdrawn'
  readonly outcome: string
  readonly detail: string
}

/** How many grants there are in each state, and steps that wait for people. */
export interface GrantCounts {
  /** Waiting for people. */
  readonly pending: number
  readonly approved: number
  readonly active: number
  readonly suspended: number
  readonly ending: number
  readonly stepsWaiting: number
}

/** The grants of a trust domain (design 7): requests, credentials, steps and ends, with all that ends them by itself. What is decided here the store looks at again. */
export class Grants implements AsyncDisposable {
  readonly index: GrantIndex
  readonly directory: Directory
  readonly time: GrantTime
  readonly ends: Ends
  readonly steps: Steps
  readonly owners: OwnerChanges
  readonly targets: TargetEnds
  readonly stepApprovals: StepApprovals = new StepApprovals()
  readonly #deps: GrantsDeps
  readonly #judge: Judge
  readonly #life: ProofOfLife
  readonly #secondUse = new SecondUse()
  readonly #reevaluations: Reevaluations
  readonly #sweep: Sweep
  readonly #following: DisposableStack = new DisposableStack()
  readonly #cleaned = new Set<string>()
  readonly #wanted = new Set<(notice: Notice) => void>()
  readonly #working = new Set<Promise<unknown>>()

  private constructor(deps: GrantsDeps, index: GrantIndex, time: GrantTime, targets: TargetEnds) {
    const { store, clock, log, random } = deps
    this.#deps = deps
    this.index = this.#following.use(index)
    this.directory = this.#following.use(new Directory(store))
    this.time = time
    this.targets = targets
    this.#judge = new Judge({ store, directory: this.directory, decider: deps.decider })
    this.owners = new OwnerChanges({ store, ends: targets, log })
    this.ends = new Ends({ store, index, time: this.time, log })
    this.#life = new ProofOfLife(clock.bootMs())
    this.#life.resume([...index.all()].filter(isRunning))
    for (const grant of index.all()) this.#secondUse.follow(grant, grant.requestedAtMs)
    const parts = { store, directory: this.directory, index, judge: this.#judge, time: this.time, clock, random, log }
    this.steps = new Steps({ ...parts, approvals: this.stepApprovals, onWaiting: (step) => this.#background(async () => this.#say(noticeOfStep(step, await this.directory.role(step.grant.role)))) })
    this.#following.use(index.onChange((grant) => this.#changed(grant)))
    this.#following.use(index.onRevoked((serials, cause) => this.#revoked(serials, cause)))
    this.#following.use(
      store.journal.onCommit(({ records }) => {
        for (const committed of records) if (committed.kind === 'uses.reported' && committed.record.kind === 'uses.reported') this.#used(committed.record.uses)
      }),
    )
    this.#reevaluations = new Reevaluations({ ...parts, ...deps, ends: this.ends })
    this.#sweep = new Sweep({ ...parts, reevaluations: this.#reevaluations, ends: this.ends, life: this.#life, stepApprovals: this.stepApprovals, targets, cleaned: this.#cleaned })
  }

  /** Knows all that is not over; each agent then has a while to vouch for what runs on its node. */
  static async start(deps: GrantsDeps): Promise<Grants> {
    const index = await GrantIndex.start(deps.store)
    const time = new GrantTime(deps.clock, latestOf(index))
    return new Grants(deps, index, time, await TargetEnds.start({ ...deps, time }))
  }

  /** Now, as grants see it: never goes back. */
  nowMs(): number {
    return this.time.nowMs()
  }

  /** Called with each request or step that begins to wait for people. */
  onApprovalWanted(listener: (notice: Notice) => void): Disposable {
    this.#wanted.add(listener)
    return { [Symbol.dispose]: () => void this.#wanted.delete(listener) }
  }

  /** @throws as `requestGrant` */
  async request(wish: AttestedWish, agentId: SpiffeId): Promise<Grant> {
    const { index, directory, time } = this
    const grant = await requestGrant(wish, agentId, { ...this.#deps, index, directory, time, judge: this.#judge })
    if (grant.state === 'pending_approval') this.#background(async () => this.#say(noticeOfRequest(grant, await directory.role(grant.role))))
    return grant
  }

  /** @throws as `issueForGrant` */
  async issue(kind: 'activate' | 'renew', wish: IssueWish, agentId: SpiffeId, signal: AbortSignal): Promise<IssuedCredential> {
    const { index, directory, time } = this
    const onSecondUse = (grant: Grant, detail: string): void => this.#background(async () => this.#flag(grant.id, 'second_use', detail))
    return await issueForGrant(kind, wish, agentId, signal, { ...this.#deps, index, directory, time, judge: this.#judge, onSecondUse })
  }

  /** The agent's word that it is over, and that nothing of it is left on the node. Again it changes nothing. @throws {MayflyError} NOT_FOUND */
  async endByAgent(id: string, { cause, outcome, detail }: AgentEnding, agentId: SpiffeId): Promise<Grant> {
    const grant = this.index.byId(id)
    if (grant === undefined) return await this.showToAgent(id, agentId)
    ownGrant(id, agentId, this.index)
    if (isWaiting(grant)) return await this.ends.withdraw(grant, detail === '' ? 'its requester asks no more' : detail, agentId)
    const ended = cause === 'withdrawn' ? 'completed' : cause
    const { grant: after } = await this.ends.end(id, { cause: ended, detail, ...(outcome === '' ? {} : { outcome }) }, agentId)
    this.#cleaned.add(id)
    return after
  }

  /** Also one that is over. @throws {MayflyError} NOT_FOUND */
  async showToAgent(id: string, agentId: SpiffeId): Promise<Grant> {
    const grant = this.index.byId(id) ?? (await this.#deps.store.grants.byId(id))
    if (grant?.agentId !== agentId) throw new MayflyError('NOT_FOUND', 'no such grant on this node')
    return grant
  }

  /** Takes its access for a while. @throws {MayflyError} NOT_FOUND, GRANT_STATE */
  async suspend(id: string, detail: string, by: string): Promise<Grant> {
    return this.#said('grant.suspended', await this.#deps.store.grants.move(id, undefined, { kind: 'suspended', detail }, this.ends.actor(by)), by)
  }

  /** Its agent then asks for a credential. @throws {MayflyError} NOT_FOUND, GRANT_STATE, GRANT_ENDED */
  async resume(id: string, detail: string, by: string): Promise<Grant> {
    return this.#said('grant.resumed', await this.#deps.store.grants.move(id, undefined, { kind: 'resumed', detail }, this.ends.actor(by)), by)
  }

  /** An agent vouches for grants whose processes live, and says how its probes came out. What ended and is not among them is cleaned up. */
  heard(agentId: SpiffeId, grantIds: readonly string[], probes: readonly Probe[]): void {
    this.#life.heard(agentId, grantIds, this.#deps.clock.bootMs())
    const alive = new Set(grantIds)
    for (const grant of this.index.ofAgent(agentId)) {
      if (grant.state === 'ending' && !alive.has(grant.id)) this.#cleaned.add(grant.id)
    }
    if (probes.some(({ ok }) => !ok)) this.#background(async () => this.#checkPosture(agentId, probes))
  }

  /** A process outside of its binding came to its socket: flagged, and by role ended. @throws {MayflyError} NOT_FOUND when it is not this agent's, or over */
  async outsider(id: string, { pid, uid }: { readonly pid: number; readonly uid: number }, agentId: SpiffeId): Promise<void> {
    ownGrant(id, agentId, this.index)
    await this.#flag(id, 'outsider', `process ${pid} of uid ${uid}, outside of what it is bound to, came to its socket and was refused`)
  }

  /** Of what is not over. */
  counts(): GrantCounts {
    const counts = { pending: 0, approved: 0, active: 0, suspended: 0, ending: 0, stepsWaiting: this.stepApprovals.all().length }
    for (const { state } of this.index.all()) {
      if (state === 'active' || state === 'suspended' || state === 'ending' || state === 'approved') counts[state]++
      else counts.pending++
    }
    return counts
  }

  /** @throws {MayflyError} STORE_UNWRITABLE */
  async reevaluate(decider: PolicyDecider, options: ReevaluationOptions, by: Actor): Promise<Reevaluation> {
    return await this.#reevaluations.run(decider, options, by)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sweep[Symbol.asyncDispose]()
    await this.targets[Symbol.asyncDispose]()
    this.#following[Symbol.dispose]()
    await Promise.allSettled(this.#working)
  }

  #changed(grant: Grant): void {
    this.#secondUse.follow(grant, this.#deps.clock.nowMs())
    if (isRunning(grant)) return this.#life.watch(grant.id, grant.agentId, this.#deps.clock.bootMs())
    this.#life.forget(grant.id)
    if (isWaiting(grant)) return
    this.#judge.forget(grant.id)
    this.#reevaluations.forget(grant.id)
    this.stepApprovals.dropGrant(grant.id)
  }

  /** By a leak report, or an operator's word about a serial: the grant goes with its credential. */
  #revoked(serials: readonly string[], cause: string): void {
    for (const serial of serials) {
      const grant = this.index.bySerial(serial)
      if (grant !== undefined) this.#background(async () => this.ends.tryEnd(grant.id, cause === 'leak' ? 'leak' : 'operator', `its credential was revoked: ${cause}`))
    }
  }

  #used(uses: readonly CredentialUse[]): void {
    for (const { grantId, use } of this.#secondUse.suspicious(uses.filter(({ refused }) => refused !== true))) {
      this.#background(async () => this.#flag(grantId, 'second_use', `${use.verifier} accepted a credential of it that had been replaced or ended`))
    }
    const refused = new Map(uses.filter((use) => use.refused === true).toSorted((left, right) => left.lastMs - right.lastMs).map((use) => [use.serial, use]))
    if (refused.size > 0) this.#background(async () => this.#refused(refused))
  }

  /** Verifiers turned these away. @param uses the latest of each serial */
  async #refused(uses: ReadonlyMap<string, CredentialUse>): Promise<void> {
    for (const credential of await this.#deps.store.credentials.bySerials([...uses.keys()])) {
      const use = uses.get(credential.serial)
      const grantId = use === undefined ? undefined : grantCopiedBy(credential, use)
      if (use !== undefined && grantId !== undefined && this.index.byId(grantId)?.serial !== use.serial) await this.#flag(grantId, 'second_use', `${use.verifier} refused a credential of it that had been replaced`)
    }
  }

  /** Also of one that is ending: the log has it then. */
  async #flag(id: string, flag: 'second_use' | 'outsider', detail: string): Promise<void> {
    const { store, log } = this.#deps
    log.warn({ event: 'grant.flagged', grantId: id, flag, detail }, flag === 'outsider' ? 'a process outside of it came to the socket of a grant' : 'a grant is used from elsewhere')
    const grant = this.index.byId(id)
    if (grant === undefined || grant.state === 'ending') return
    await store.grants.move(id, undefined, { kind: 'flagged', flag }, this.ends.actor('system'))
    const role = (await this.directory.roles()).get(grant.role)
    if (role?.endOnSecondUse === true) await this.ends.tryEnd(id, 'leak', `used from elsewhere: ${detail}`)
  }

  async #checkPosture(agentId: SpiffeId, probes: readonly Probe[]): Promise<void> {
    const roles = await this.directory.roles()
    const failing = new Set(probes.filter(({ ok }) => !ok).map(({ name }) => name))
    for (const grant of this.index.ofAgent(agentId)) {
      const role = roles.get(grant.role)
      const failed = role === undefined || !isRunning(grant) ? [] : failedProbes(role, probes).filter((name) => failing.has(name))
      if (failed.length > 0) await this.ends.tryEnd(grant.id, 'posture', `no longer holds: ${failed.join(', ')}`)
    }
  }

  #said(event: 'grant.suspended' | 'grant.resumed', { grant }: GrantMoved, by: string): Grant {
    this.#deps.log.info({ event, grantId: grant.id, detail: grant.detail, by }, event === 'grant.suspended' ? 'a grant has no access for a while' : 'a grant may have access again')
    return grant
  }

  #say(notice: Notice): void {
    for (const listener of this.#wanted) listener(notice)
  }

  /** Work that nobody waits for; its failure is logged, and what must happen is tried again by whatever asked for it. */
  #background(work: () => Promise<unknown>): void {
    const working = work()
      .catch((error: unknown) => this.#deps.log.error({ event: 'grants.failed', error: String(error) }, 'something about a grant could not be done'))
      .finally(() => this.#working.delete(working))
    this.#working.add(working)
  }
}

/** The latest time that the record of what is not over knows of. */
function latestOf(index: GrantIndex): number {
  let latestMs = 0
  for (const { requestedAtMs, activatedAtMs, decision, endedAtMs } of index.all()) latestMs = Math.max(latestMs, requestedAtMs, activatedAtMs, endedAtMs, decision?.atMs ?? 0)
  return latestMs
}
