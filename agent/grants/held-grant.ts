import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantCredential__Output } from '../../proto/generated/mayfly/v1/GrantCredential.ts'
import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import type { StepAnswer } from '../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { StepRequest__Output } from '../../proto/generated/mayfly/v1/StepRequest.ts'
import type { StepTerms__Output } from '../../proto/generated/mayfly/v1/StepTerms.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { Notifier } from '../notifier.ts'
import { momentOf } from '../rotation/moment.ts'
import type { Moment } from '../rotation/moment.ts'
import { backoffMs, halfLife, isDue } from '../rotation/schedule.ts'
import type { DueTime } from '../rotation/schedule.ts'
import type { WorkloadSvid } from '../rotation/workload-svid.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { Binding } from './binding.ts'
import { askedFor, svidOf } from './credential-request.ts'
import type { Asked, CredentialRequestDeps } from './credential-request.ts'
import type { PushedPolicy } from './policy.ts'
import type { GrantServer } from './ports.ts'
import { brokenProbe } from './probes.ts'
import type { StepRecords } from './step-records.ts'
import { GrantSteps } from './steps.ts'

export interface HeldGrantDeps extends CredentialRequestDeps {
  readonly random: Random
  readonly log: Logger
  readonly server: GrantServer
  readonly policy: PushedPolicy
  readonly records: StepRecords
  isCurrent(): boolean
  /** A key was dropped. */
  forgetSoon(): void
  /** The grant has to end, for a reason that this node sees. */
  onEnd(cause: 'timeout' | 'budget' | 'posture', detail: string): void
}

const retry = { leastMs: 250, mostMs: 15_000 }
const maxSleepMs = 10_000

/** A grant that runs on this node: its key and SVID, renewed within its budget, its time by a clock that never goes back, and its steps. */
export class HeldGrant {
  readonly binding: Binding
  /** The SVID is another, or there is none any more. */
  readonly changed: Notifier<void> = new Notifier()
  readonly #deps: HeldGrantDeps
  readonly #over = new AbortController()
  readonly #wake = new Wake()
  readonly #steps: GrantSteps
  readonly #postureThen: readonly ProbeResult[]
  readonly #activatedAtBootMs: number
  readonly #deadlineBootMs: number
  #grant: Grant__Output
  #svid: WorkloadSvid | undefined
  #dueAt: DueTime
  #selectors: readonly string[]
  #progressAtBootMs: number
  #failures = 0
  #renewing: Promise<Grant__Output> | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(asked: Asked, { grant, terms }: GrantCredential__Output, svid: WorkloadSvid, binding: Binding, deps: HeldGrantDeps) {
    if (grant === null || terms === null) throw new MayflyError('RESPONSE_INVALID', 'the server activated a grant without saying what it is')
    this.binding = binding
    this.#deps = deps
    this.#grant = grant
    this.#svid = svid
    this.#selectors = asked.selectors
    this.#postureThen = asked.probes
    this.#activatedAtBootMs = asked.atBootMs
    this.#progressAtBootMs = asked.atBootMs
    // Measured by the server from a moment after this one, so the deadline comes no later here.
    this.#deadlineBootMs = asked.atBootMs + Math.max(0, grant.deadlineMs - grant.activatedAtMs)
    this.#dueAt = halfLife(svid.notAfterMs, momentOf(deps.clock), deps.random)
    this.#steps = new GrantSteps(terms, grant, { ...deps, over: this.#over.signal, probes: () => deps.probes.latest })
  }

  /** Has the server activate what it approved, for the process that the binding names. @throws {MayflyError} what it refuses with; CERTIFICATE_INVALID */
  static async activate(grant: Grant__Output, binding: Binding, deps: HeldGrantDeps, signal: AbortSignal): Promise<HeldGrant> {
    const { request, key, asked } = await askedFor(grant, binding, 0, [], deps)
    const credential = await deps.server.activate(request, signal)
    const held = new HeldGrant(asked, credential, svidOf(grant, key, credential, deps), binding, deps)
    deps.policy.prepare()
    held.#running = held.#live()
    return held
  }

  get grant(): Grant__Output {
    return this.#grant
  }

  /** What may be handed to the binding now; `undefined` while there is nothing. */
  get svid(): WorkloadSvid | undefined {
    const svid = this.#svid
    return svid === undefined || this.#over.signal.aborted || svid.isExpired(momentOf(this.#deps.clock)) ? undefined : svid
  }

  /** Aborts, with the reason, when the grant is over on this node. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** The server has moved it. */
  update(grant: Grant__Output): void {
    if (grant.version < this.#grant.version) return
    const was = this.#grant.state
    this.#grant = grant
    this.#steps.update(grant)
    if (grant.state === 'suspended') this.#drop()
    else if (was === 'suspended' && grant.state === 'active') this.#wake.ring()
  }

  /** What its steps are decided by is another. */
  adopt(terms: StepTerms__Output): void {
    this.#steps.adopt(terms)
  }

  /** The task says, or shows by what it does, that it goes on. */
  progress(): void {
    this.#progressAtBootMs = this.#deps.clock.bootMs()
  }

  /** Gets another SVID now: a fresh decision of the server's. @throws {MayflyError} what it refuses with */
  async renew(): Promise<Grant__Output> {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined))
    return await this.#renewing
  }

  /** @param until as for {@link GrantSteps.take} @throws {MayflyError} GRANT_STATE, INVALID_ARGUMENT */
  async step(request: StepRequest__Output, until: () => AbortSignal): Promise<StepAnswer> {
    if (this.#grant.state !== 'active') throw new MayflyError('GRANT_STATE', `the grant is ${this.#grant.state}: no step can be taken`)
    const answer = await this.#steps.take(
      request,
      { grant: this.#grant, selectors: this.#selectors, tier: this.binding.tier, secondsSinceActivation: this.#secondsSince(this.#activatedAtBootMs), progressSecondsAgo: this.#secondsSince(this.#progressAtBootMs) },
      () => AbortSignal.any([until(), this.#over.signal]),
    )
    this.#over.signal.throwIfAborted() // it ended while the step was decided
    if (answer.allowed === true) this.progress()
    return answer
  }

  /** The revocations or the bundle are others. */
  recheck(): void {
    const svid = this.#svid
    if (svid === undefined || this.#over.signal.aborted) return
    const standing = this.#deps.standing(svid)
    if (standing === 'good') return
    if (standing === 'ended') this.#drop()
    this.#dueAt = { atMs: 0, atBootMs: 0 }
    this.#wake.ring()
  }

  /** Posture is another than it was. */
  look(probes: readonly ProbeResult[]): void {
    const broken = brokenProbe(this.#steps.terms.probes, this.#postureThen, probes)
    if (broken !== undefined) this.#deps.onEnd('posture', `the probe ${broken} holds no more`)
  }

  /** Ends it here: nothing is handed out from this moment on, and the key is overwritten. The grant's loop is done when this resolves. */
  async purge(reason: MayflyError): Promise<void> {
    if (!this.#over.signal.aborted) {
      this.#drop()
      this.#over.abort(reason)
      this.binding[Symbol.dispose]()
    }
    await this.#running
    await this.binding.released
  }

  #drop(): void {
    const svid = this.#svid
    if (svid === undefined) return
    this.#svid = undefined
    svid.wipe()
    this.#deps.forgetSoon()
    this.changed.emit()
  }

  async #live(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#over
    while (!signal.aborted) {
      const now = momentOf(clock)
      if (now.bootMs >= this.#deadlineBootMs) return this.#deps.onEnd('timeout', 'its time is over')
      const lacks = this.svid === undefined
      if (this.#grant.state === 'active' && (lacks || isDue(this.#dueAt, now))) {
        if (this.#renewalsLeft === 0) {
          if (lacks) return this.#deps.onEnd('budget', 'all renewals of its budget are used')
        } else if (lacks || this.#isWorthwhile) {
          await this.renew().catch(() => undefined) // noted, and tried again
          continue
        }
      }
      await heardWithin(this.#wake, Math.max(20, Math.min(maxSleepMs, this.#deadlineBootMs - now.bootMs, this.#untilNext(now))), clock, signal)
    }
  }

  /** Until the SVID is due or, with nothing left to renew by, expires. */
  #untilNext({ nowMs, bootMs }: Moment): number {
    const svid = this.#svid
    if (this.#renewalsLeft > 0 && this.#isWorthwhile) return Math.min(this.#dueAt.atMs - nowMs, this.#dueAt.atBootMs - bootMs)
    return svid === undefined ? maxSleepMs : Math.min(svid.notAfterMs - nowMs, svid.endsAtBootMs - bootMs) + 1
  }

  get #renewalsLeft(): number {
    return Math.max(0, (this.#grant.budget?.renewals ?? 0) - (this.#grant.used?.renewals ?? 0))
  }

  /** Nothing outlives the deadline: an SVID that lasts until then is the last. */
  get #isWorthwhile(): boolean {
    return this.#svid === undefined || this.#svid.notAfterMs < this.#grant.deadlineMs - 1_000
  }

  async #renew(): Promise<Grant__Output> {
    const { server, log, clock, random } = this.#deps
    const { signal } = this.#over
    try {
      const { request, key, asked } = await askedFor(this.#grant, this.binding, this.#secondsSince(this.#progressAtBootMs), this.#selectors, this.#deps)
      signal.throwIfAborted()
      const credential = await server.renew(request, signal)
      const svid = svidOf(this.#grant, key, credential, this.#deps)
      if (signal.aborted || credential.grant === null) {
        svid.wipe()
        signal.throwIfAborted()
        throw new MayflyError('RESPONSE_INVALID', 'the server renewed a grant without saying what it is')
      }
      this.#svid?.wipe()
      this.#deps.forgetSoon()
      this.#svid = svid
      this.#selectors = asked.selectors
      if (credential.grant.version > this.#grant.version) this.#grant = credential.grant
      if (credential.terms !== null) this.#steps.leased(credential.terms.leasedSteps)
      this.#steps.update(this.#grant)
      this.#failures = 0
      this.#dueAt = halfLife(svid.notAfterMs, momentOf(clock), random)
      log.info({ event: 'grant.renewed', grantId: this.#grant.id, serial: svid.serialHex, notAfterMs: svid.notAfterMs }, 'a grant has a new SVID')
      this.changed.emit()
      return this.#grant
    } catch (error) {
      if (signal.aborted) throw error
      const isSpent = error instanceof MayflyError && error.code === 'CLOCK_JUMPED' // of the budget, for an SVID that this clock calls expired
      const waitMs = isSpent ? retry.mostMs : backoffMs(++this.#failures, retry, random)
      const now = momentOf(clock)
      this.#dueAt = { atMs: now.nowMs + waitMs, atBootMs: now.bootMs + waitMs }
      log.warn({ event: 'grant.unrenewed', grantId: this.#grant.id, code: error instanceof MayflyError ? error.code : 'INTERNAL', cause: String(error), failures: this.#failures }, 'a grant was not renewed')
      await clock.sleep(this.svid === undefined ? waitMs : 0, signal).catch(() => undefined) // without one there is nothing else to do
      throw error
    }
  }

  #secondsSince(bootMs: number): number {
    return Math.max(0, Math.floor((this.#deps.clock.bootMs() - bootMs) / 1_000))
  }
}
