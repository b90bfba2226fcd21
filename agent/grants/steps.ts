import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import type { StepAnswer, StepAnswer__Output } from '../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { StepRequest__Output } from '../../proto/generated/mayfly/v1/StepRequest.ts'
import type { StepTerms__Output } from '../../proto/generated/mayfly/v1/StepTerms.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { GrantServer } from './ports.ts'
import type { PushedPolicy } from './policy.ts'
import type { StepRecords } from './step-records.ts'
import { stepQuestion } from './step-question.ts'
import type { StepFacts } from './step-question.ts'

export interface GrantStepsDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly server: Pick<GrantServer, 'leaseSteps' | 'confirmStep'>
  readonly policy: PushedPolicy
  readonly records: StepRecords
  /** Whether all that the server has acknowledged is known here, but for the last three seconds of it (invariant 10). */
  isCurrent(): boolean
  probes(): readonly ProbeResult[]
  /** Aborts when the grant is over. */
  readonly over: AbortSignal
}

/** What a denial means and what can be done about it, for those that policy does not name. */
const hints = {
  'state-stale': 'the agent has not heard from its server for 3 s: try again when it has',
  'outside-intent': 'the grant was given for other actions or resources: ask for another grant',
  'outside-role': 'the role of the grant does not allow it any more: ask for another grant',
  'budget-steps': 'all steps of the budget are taken: ask for another grant',
  'steps-unrecorded': 'steps cannot be written down at the server: try again when they can',
  'policy-unavailable': 'the agent has no policy to decide by: its log says why',
  'server-away': 'the server has to be asked first, and does not answer: try again',
} as const
type OwnReason = keyof typeof hints

/** The steps of one grant: each decided when it is taken, within a block leased from the server, and written down. */
export class GrantSteps {
  readonly #deps: GrantStepsDeps
  #terms: StepTerms__Output
  /** Of the blocks so far, what is not taken. */
  #leased: number
  /** Of all blocks so far. */
  #everLeased: number
  #lastBlock = 0
  /** Of the budget, and what is leased or taken of it as the server last said. */
  #budget: number
  #used: number
  #leasing: Promise<void> | undefined

  constructor(terms: StepTerms__Output, grant: Grant__Output, deps: GrantStepsDeps) {
    this.#terms = terms
    this.#deps = deps
    this.#leased = terms.leasedSteps
    this.#everLeased = terms.leasedSteps
    this.#budget = grant.budget?.steps ?? 0
    this.#used = grant.used?.steps ?? 0
  }

  get terms(): StepTerms__Output {
    return this.#terms
  }

  /** The grant as the server has it now. */
  update(grant: Grant__Output): void {
    this.#budget = grant.budget?.steps ?? 0
    this.#used = grant.used?.steps ?? 0
  }

  /** The role, or what is waived of it, is another by now. What is leased stays. */
  adopt(terms: StepTerms__Output): void {
    this.#terms = terms
  }

  /** A renewal may bring another block. */
  leased(steps: number): void {
    this.#leased += steps
    this.#everLeased += steps
    this.#lastBlock = steps
  }

  /** What is neither leased nor taken: the news of a block may come before or after the block. */
  get #unleased(): number {
    return Math.max(0, this.#budget - Math.max(this.#used, this.#everLeased))
  }

  /**
   * @param until makes what aborts when nobody waits for the answer any more: asked for only when there is something to wait for
   * @throws {MayflyError} INVALID_ARGUMENT; what a step that the server confirms is refused with, beyond a denial
   */
  async take(request: StepRequest__Output, facts: StepFacts, until: () => AbortSignal): Promise<StepAnswer> {
    const { grant } = facts
    checkRequest(request)
    const { confirmActions, approveActions } = this.#terms
    if (confirmActions.includes(request.action) || approveActions.includes(request.action)) return await this.#confirm(request, grant, until())
    const denied = this.#ownDenial(request, grant)
    if (denied !== undefined) return this.#answer(request, grant, false, [denied])
    const decision = await this.#decide(request, facts)
    if (typeof decision === 'string') return this.#answer(request, grant, false, [decision])
    if (!decision.allowed) {
      // A control may be waived or lifted, which only the server knows of.
      if (this.#terms.waived || decision.approvalsWanted > 0) return await this.#confirm(request, grant, until())
      return this.#answer(request, grant, false, decision.reasons)
    }
    const spent = await this.#spend(grant.id)
    return spent === 'taken' ? this.#answer(request, grant, true, decision.reasons) : this.#answer(request, grant, false, [spent])
  }

  #ownDenial(request: StepRequest__Output, grant: Grant__Output): OwnReason | undefined {
    if (!this.#deps.isCurrent()) return 'state-stale'
    const { actions = [], resources = [] } = grant.intent ?? {}
    if (!actions.includes(request.action) || !resources.includes(request.resource)) return 'outside-intent'
    return this.#deps.records.accepts ? undefined : 'steps-unrecorded'
  }

  async #decide(request: StepRequest__Output, facts: StepFacts): Promise<ReturnType<NonNullable<PushedPolicy['ready']>['decide']> | OwnReason> {
    const { policy, clock, probes, log } = this.#deps
    try {
      const decider = policy.ready ?? (await policy.current())
      const question = stepQuestion(request, facts, this.#terms, probes(), clock.nowMs())
      return question === undefined ? 'outside-role' : decider.decide(question)
    } catch (error) {
      log.error({ event: 'policy.unloadable', error: String(error) }, 'the policy cannot be loaded: steps are refused')
      return 'policy-unavailable'
    }
  }

  /** Takes one step of the block; the next block is leased when half of one is left. */
  async #spend(grantId: string): Promise<'taken' | OwnReason> {
    try {
      while (this.#leased === 0 && this.#unleased > 0) await this.#lease(grantId) // others may have taken it all meanwhile
    } catch (error) {
      this.#deps.log.warn({ event: 'step.unleased', grantId, error: String(error) }, 'no further steps could be leased')
      return 'server-away'
    }
    if (this.#leased === 0) return 'budget-steps'
    this.#leased--
    if (this.#leased <= this.#lastBlock / 2 && this.#unleased > 0) this.#lease(grantId).catch(() => undefined) // asked for again when it is needed
    return 'taken'
  }

  async #lease(grantId: string): Promise<void> {
    this.#leasing ??= this.#leaseBlock(grantId, this.#deps.over).finally(() => (this.#leasing = undefined))
    await this.#leasing
  }

  async #leaseBlock(grantId: string, signal: AbortSignal): Promise<void> {
    try {
      const steps = await this.#deps.server.leaseSteps(grantId, signal)
      if (steps > 0) this.leased(steps)
      else this.#used = this.#budget
    } catch (error) {
      if (!(error instanceof MayflyError) || error.code !== 'BUDGET_SPENT') throw error
      this.#used = this.#budget
    }
  }

  /** The server decides and writes down. */
  async #confirm(step: StepRequest__Output, grant: Grant__Output, signal: AbortSignal): Promise<StepAnswer> {
    try {
      const answer = await this.#asked(step, grant, signal)
      this.#deps.log.info({ event: answer.allowed ? 'step.taken' : 'step.denied', grantId: grant.id, action: step.action, resource: step.resource, reasons: answer.reasons, by: 'server' }, 'a step was decided by the server')
      return { ...answer, stepsLeft: answer.stepsLeft + this.#leased }
    } catch (error) {
      if (error instanceof MayflyError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED')) return this.#answer(step, grant, false, ['server-away'])
      throw error
    }
  }

  /** Where people have to approve it first the server is asked again and again: none of its calls takes long. */
  async #asked(step: StepRequest__Output, grant: Grant__Output, signal: AbortSignal): Promise<StepAnswer__Output> {
    const { clock, server, probes } = this.#deps
    const untilBootMs = clock.bootMs() + Math.max(0, step.waitSeconds) * 1_000
    for (;;) {
      const leftMs = untilBootMs - clock.bootMs()
      const waitSeconds = Math.max(0, Math.min(longestAskSeconds, Math.ceil(leftMs / 1_000)))
      const answer = await server.confirmStep({ step: { ...step, grantId: grant.id, waitSeconds }, probes: [...probes()] }, signal)
      if (answer.allowed || answer.approvalId === '' || leftMs <= longestAskSeconds * 1_000) return answer
    }
  }

  #answer(request: StepRequest__Output, grant: Grant__Output, allowed: boolean, reasons: readonly string[]): StepAnswer {
    const { clock, records, log, policy } = this.#deps
    const policyHash = policy.ready?.hash ?? ''
    records.add({ grantId: grant.id, action: request.action, resource: request.resource, description: request.description, allowed, reasons: [...reasons], atMs: clock.nowMs(), policyHash })
    const fact = { grantId: grant.id, action: request.action, resource: request.resource, reasons, by: 'agent' }
    if (allowed) log.debug({ event: 'step.taken', ...fact }, 'a step was taken') // the record has it
    else log.info({ event: 'step.denied', ...fact }, 'a step was denied')
    const [first = ''] = reasons
    const hint = allowed ? '' : isOwn(first) ? hints[first] : `the policy denies it by ${reasons.join(', ')}: mayfly policy explain ${grant.id}`
    return { allowed, reasons: [...reasons], approvalId: '', stepsLeft: this.#leased + this.#unleased, policyHash, hint }
  }
}

/** Of one call that waits for people. */
const longestAskSeconds = 20

function checkRequest({ action, resource, description }: StepRequest__Output): void {
  if (Buffer.byteLength(action) > 64 || Buffer.byteLength(resource) > 300) throw new MayflyError('INVALID_ARGUMENT', 'an action has at most 64 bytes, a resource 300')
  if (Buffer.byteLength(description) > 200 || /[\p{C}\p{Zl}\p{Zp}]/u.test(description)) {
    throw new MayflyError('INVALID_ARGUMENT', 'the description of a step is one plain line of at most 200 bytes')
  }
}

function isOwn(reason: string): reason is OwnReason {
  return Object.hasOwn(hints, reason)
}
