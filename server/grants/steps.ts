import { MayflyError } from '../../src/core/errors.ts'
import { isRunning } from './grant-index.ts'
import type { Grant, GrantRole } from '../../src/core/grant/grant.ts'
import { grantIdOf } from '../../src/core/grant/grant-id.ts'
import { allowsStep, plainText } from '../../src/core/grant/intent.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { StepApprovals, WaitingStep } from '../approvals/step-approvals.ts'
import type { TakenStep } from '../store/grant-model.ts'
import type { GrantStore } from '../store/grant-port.ts'
import type { Directory } from './directory.ts'
import type { Probe } from './facts.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'
import { ownGrant } from './issuing.ts'
import type { Judge, Judgement } from './judge.ts'

/** One step that the server is to decide. */
export interface StepWish {
  readonly grantId: string
  readonly action: string
  readonly resource: string
  readonly description: string
  /** How long the caller waits for people; 0: it asks again. */
  readonly waitMs: number
  readonly probes: readonly Probe[]
}

export interface StepVerdict {
  readonly allowed: boolean
  readonly reasons: readonly string[]
  /** Of what waits for people; empty when nothing does. */
  readonly approvalId: string
  readonly stepsLeft: number
  readonly policyHash: string
  readonly hint: string
}

export interface StepsDeps {
  readonly store: { readonly grants: GrantStore }
  readonly directory: Directory
  readonly index: GrantIndex
  readonly judge: Judge
  readonly time: GrantTime
  readonly approvals: StepApprovals
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Called with each step that begins to wait for people. */
  readonly onWaiting: (step: WaitingStep) => void
}

const blocksOfBudget = 10
/** A block lasts for so long at the pace of the task, … */
const blockSeconds = 5
/** … or has so many steps. Each is a call, a transaction and news of the grant to its node and task: a fast task is not to be held up by one every few steps. */
const leastBlock = 100
const maxDescriptionBytes = 200
const maxSteps = 5_000
const maxWaitMs = 25 * 60_000
const maxClockAheadMs = 300_000
const stepLapsesMs = 30 * 60_000

/** Steps of grants, as far as the server has to do with them: the budget is leased in blocks, what was taken is recorded, and some it decides itself. */
export class Steps {
  readonly #deps: StepsDeps

  constructor(deps: StepsDeps) {
    this.#deps = deps
  }

  /** A block of the budget, a tenth of it at most: what is left of one that is lost is spent. 0 when none is left. @throws {MayflyError} NOT_FOUND, GRANT_STATE, GRANT_ENDED */
  async lease(grantId: string, agentId: SpiffeId): Promise<number> {
    const { store, index, time } = this.#deps
    const grant = ownGrant(grantId, agentId, index)
    const nowMs = time.nowMs()
    try {
      return (await store.grants.lease(grantId, blockOf(grant, nowMs), { name: agentId, atMs: nowMs })).steps
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'BUDGET_SPENT') return 0
      throw error
    }
  }

  /** Writes down what the agent decided; a clock far ahead dates nothing in the future. @throws {MayflyError} LIMIT_EXCEEDED, INTENT_INVALID */
  async record(steps: readonly TakenStep[], agentId: SpiffeId): Promise<void> {
    const { store, time } = this.#deps
    if (steps.length > maxSteps) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxSteps} steps in one report`)
    if (steps.length === 0) return
    const nowMs = time.nowMs()
    const bounded = steps.map((step) => ({ ...step, description: plainText('the description', step.description, maxDescriptionBytes), atMs: Math.min(step.atMs, nowMs + maxClockAheadMs) }))
    await store.grants.recordSteps(bounded, { name: agentId, atMs: nowMs, agentId })
  }

  /**
   * Decides one step on the policy in force and facts of this moment, takes it from the budget, and records it. One that people must approve waits; the answer then names what
   * for. @throws {MayflyError} NOT_FOUND, GRANT_STATE, LIMIT_EXCEEDED
   */
  async confirm(wish: StepWish, agentId: SpiffeId, signal: AbortSignal): Promise<StepVerdict> {
    const { index, directory, judge, time } = this.#deps
    const grant = ownGrant(wish.grantId, agentId, index)
    if (grant.state !== 'active') throw new MayflyError('GRANT_STATE', `a grant that is ${grant.state} takes no step`)
    const description = plainText('the description', wish.description, maxDescriptionBytes)
    const step = { ...wish, description }
    if (!grant.intent.actions.includes(step.action) || !grant.intent.resources.includes(step.resource)) return await this.#answer(grant, step, false, ['outside-intent'], '')
    const role = await directory.role(grant.role)
    if (!allowsStep(role.intents, step.action, step.resource, grant.intent.workspace)) return await this.#answer(grant, step, false, ['outside-role'], '')
    const attested = { ...(await judge.lastAttested(grant)), probes: step.probes }
    const judged = async (): Promise<Judgement> => await judge.judge('step', { grant: index.byId(grant.id) ?? grant, role, attested, step }, time.nowMs())
    const first = await judged()
    if (isFinal(first)) return await this.#deny(grant, step, first)
    return peopleWanted(first, role, step) > 0 ? await this.#withPeople(grant, step, role, first, judged, signal) : await this.#take(grant, step, first.decision.reasons, first.decision.policyHash)
  }

  /** Once people have approved it, policy is asked again, which may be another by then, and who they were is looked at: one who is registered no more approves nothing. */
  async #withPeople(grant: Grant, step: StepWish, role: GrantRole, first: Judgement, judged: () => Promise<Judgement>, signal: AbortSignal): Promise<StepVerdict> {
    const { approvals, clock, directory } = this.#deps
    const { policyHash } = first.decision
    const waiting = approvals.find(grant.id, step) ?? this.#wait(grant, step, peopleWanted(first, role, step))
    using waited = deadline(clock, Math.min(step.waitMs, maxWaitMs), signal)
    const outcome = await approvals.outcome(waiting.id, waited.signal)
    switch (outcome?.kind) {
      case undefined: {
        const { budget, used } = grant
        const left = waiting.needed - approvals.givenBy(waiting.id).length
        const hint = `${left === 1 ? 'a person has' : `${left} people have`} to approve it first: mayfly approve ${waiting.id}`
        return { allowed: false, reasons: ['approval-wanted'], approvalId: waiting.id, stepsLeft: budget.steps - used.steps, policyHash, hint }
      }
      case 'approved': {
        const now = await judged()
        if (isFinal(now)) return await this.#deny(grant, step, now)
        const registered = new Set((await directory.people()).map(({ name }) => name))
        const standing = outcome.approvers.filter((approver) => registered.has(approver))
        if (standing.length < peopleWanted(now, role, step)) return await this.#withPeople(grant, { ...step, waitMs: 0 }, role, now, judged, signal)
        return await this.#take(grant, step, [...(now.decision.allowed ? now.decision.reasons : []), ...standing.map((approver) => `approved-by:${approver}`)], now.decision.policyHash)
      }
      case 'denied':
        return await this.#answer(grant, step, false, [`denied-by:${outcome.approver}`], policyHash)
      case 'lapsed':
        return await this.#answer(grant, step, false, ['approval-lapsed'], policyHash)
      default:
        return outcome satisfies never
    }
  }

  async #deny(grant: Grant, step: StepWish, { decision, asked }: Judgement): Promise<StepVerdict> {
    await this.#deps.store.grants.recordDecision(grant.id, decision, asked, { name: grant.agentId, atMs: decision.atMs })
    return await this.#answer(grant, step, false, decision.reasons, decision.policyHash)
  }

  #wait(grant: Grant, { action, resource, description }: StepWish, needed: number): WaitingStep {
    const { approvals, random, time, onWaiting } = this.#deps
    const lapsesAtMs = Math.min(grant.deadlineMs, time.nowMs() + stepLapsesMs)
    const step = approvals.add({ id: grantIdOf(random.bytes(16)), grant, action, resource, description, lapsesAtMs, needed })
    if (step === undefined) throw new MayflyError('LIMIT_EXCEEDED', 'too many steps wait for people already', { hint: 'have those approved or denied first: mayfly approvals' })
    onWaiting(step)
    return step
  }

  /** The state and the budget are looked at in the transaction that takes it. */
  async #take(grant: Grant, step: StepWish, reasons: readonly string[], policyHash: string): Promise<StepVerdict> {
    const { store, time, index } = this.#deps
    try {
      await store.grants.lease(grant.id, 1, { name: grant.agentId, atMs: time.nowMs() })
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'BUDGET_SPENT') return await this.#answer(grant, step, false, ['budget-steps'], policyHash)
      throw error
    }
    return await this.#answer(index.byId(grant.id) ?? grant, step, true, reasons, policyHash)
  }

  async #answer(grant: Grant, { action, resource, description }: StepWish, allowed: boolean, reasons: readonly string[], policyHash: string): Promise<StepVerdict> {
    const { store, time, log } = this.#deps
    const atMs = time.nowMs()
    await store.grants.recordSteps([{ grantId: grant.id, action, resource, description, allowed, reasons, atMs, policyHash }], { name: grant.agentId, atMs, agentId: grant.agentId })
    log.info({ event: allowed ? 'step.taken' : 'step.denied', grantId: grant.id, action, resource, reasons, by: 'server' }, allowed ? 'a step was taken' : 'a step was denied')
    const hint = allowed ? '' : isRunning(grant) ? `mayfly policy explain ${grant.id}` : 'the grant has ended'
    return { allowed, reasons, approvalId: '', stepsLeft: grant.budget.steps - grant.used.steps, policyHash, hint }
  }
}

/** How many people have to approve the step: those that policy wants, and one where the role has each such step approved. */
function peopleWanted({ decision, approvalsWanted }: Judgement, { approveActions }: GrantRole, { action }: StepWish): number {
  return Math.max(decision.allowed ? 0 : approvalsWanted, approveActions.includes(action) ? 1 : 0)
}

/** Whether no person could lift the denial. */
function isFinal({ decision, approvalsWanted }: Judgement): boolean {
  return !decision.allowed && approvalsWanted === 0
}

/** A signal that aborts after so long, or with the other. */
function deadline(clock: Clock, ms: number, outer: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const done = new AbortController()
  const passed = new AbortController()
  if (ms <= 0) passed.abort()
  else clock.sleep(ms, AbortSignal.any([done.signal, outer])).then(() => passed.abort(), () => undefined) // it is over before
  return { signal: AbortSignal.any([passed.signal, outer]), [Symbol.dispose]: () => done.abort() }
}

function blockOf({ budget, used, activatedAtMs }: Grant, nowMs: number): number {
  const perSecond = used.steps / Math.max(1, (nowMs - activatedAtMs) / 1_000)
  return Math.max(1, Math.min(Math.ceil(budget.steps / blocksOfBudget), Math.max(leastBlock, Math.ceil(perSecond * blockSeconds))))
}
