import type { Grant } from '../../src/core/grant/grant.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { StepApprovals } from '../approvals/step-approvals.ts'
import type { Directory } from './directory.ts'
import type { Ends } from './ends.ts'
import { isRunning, isWaiting } from './grant-index.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'
import type { ProofOfLife } from './proof-of-life.ts'
import type { Reevaluations } from './reevaluation.ts'
import type { TargetEnds } from './target-ends.ts'
import type { GrantStore } from '../store/grant-port.ts'

export interface SweepDeps {
  readonly store: { readonly grants: GrantStore }
  readonly index: GrantIndex
  readonly directory: Directory
  readonly ends: Ends
  readonly time: GrantTime
  readonly life: ProofOfLife
  readonly stepApprovals: StepApprovals
  readonly reevaluations: Pick<Reevaluations, 'left'>
  readonly targets: Pick<TargetEnds, 'isEnding'>
  /** Ended grants of which nothing is left on their nodes; emptied here. */
  readonly cleaned: Set<string>
  readonly clock: Clock
  readonly log: Logger
}

const everyMs = 1_000
const ownersEveryMs = 5_000
const lapsedAtOnce = 1_000
const finishedAtOnce = 1_000
/** Ended at the same time; each is a transaction, and those that wait share a commit. */
const atOnce = 200
/** What an ended grant left at an agent that does not come back is cleaned up by expiry. */
const cleanUpMs = 300_000

/** Once a second: ends what is due, out of budget or without a living task, lapses what nobody activated, and closes what is cleaned up. */
export class Sweep implements AsyncDisposable {
  readonly #deps: SweepDeps
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #ownersDueBootMs = 0
  #hasLeapt = false

  constructor(deps: SweepDeps) {
    this.#deps = deps
    this.#running = this.#run(this.#stopping.signal)
  }

  /** One look; what fails is logged and done by the next. */
  async look(): Promise<void> {
    const { store, index, ends, time, life, stepApprovals, reevaluations, cleaned, clock, log } = this.#deps
    const nowMs = time.nowMs()
    this.#lookAtClock()
    const orphans = life.orphans(clock.bootMs())
    const spent: Grant[] = []
    let isDue = false
    let lapses = false
    for (const grant of index.all()) {
      if (isRunning(grant)) {
        if (grant.deadlineMs <= nowMs) isDue = true
        else if (isSpent(grant, nowMs)) spent.push(grant)
      } else if (isWaiting(grant)) {
        lapses ||= grant.lapsesAtMs <= nowMs
      } else if (grant.endedAtMs + cleanUpMs <= nowMs) {
        cleaned.add(grant.id)
      }
    }
    stepApprovals.lapseDue(nowMs)
    try {
      if (lapses) await this.#lapse()
      if (isDue) await ends.endDue()
      await inSlices(spent, async ({ id, budget }) => ends.tryEnd(id, 'budget', `its credential has expired and all ${budget.renewals} renewals are used`))
      await inSlices(await this.#unowned(), async ({ id, owner }) => ends.tryEnd(id, 'owner_removed', `nobody answers for it: ${owner} is no owner any more`))
      await inSlices(orphans, async (id) => {
        if (await ends.tryEnd(id, 'orphan', 'nobody vouched for its process for 15 s')) life.forget(id)
      })
      await reevaluations.left(ends.actor('system'))
      while (cleaned.size > 0) {
        const ids = [...cleaned].slice(0, finishedAtOnce)
        await store.grants.finish(ids, ends.actor('system'))
        for (const id of ids) cleaned.delete(id)
      }
    } catch (error) {
      log.error({ event: 'grants.sweep_failed', error: String(error) }, 'grants that are over could not be closed; it is tried again')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  #lookAtClock(): void {
    const { time, log } = this.#deps
    const { leapMs } = time
    if ((leapMs !== undefined) === this.#hasLeapt) return
    this.#hasLeapt = leapMs !== undefined
    if (leapMs === undefined) log.info({ event: 'grants.clock_leapt', leapMs: 0 }, 'the clock is believed again')
    else log.error({ event: 'grants.clock_leapt', leapMs: Math.round(leapMs) }, 'the clock of this server leapt: no grant is given, renewed or ended by it until it is set right')
  }

  /** Running grants that nobody answers for (invariant 12), and that no removal under way is ending. */
  async #unowned(): Promise<readonly Grant[]> {
    const { index, directory, targets, clock } = this.#deps
    if (clock.bootMs() < this.#ownersDueBootMs) return []
    this.#ownersDueBootMs = clock.bootMs() + ownersEveryMs
    const running = [...index.all()].filter(isRunning)
    const gone = new Set<string>()
    for (const owner of new Set(running.map((grant) => grant.owner))) if (!(await directory.isOwner(owner)) && !targets.isEnding(owner)) gone.add(owner)
    return running.filter(({ owner }) => gone.has(owner))
  }

  async #lapse(): Promise<void> {
    const { store, ends, log } = this.#deps
    for (;;) {
      const lapsed = await store.grants.lapseDue(lapsedAtOnce, ends.actor('system'))
      for (const grantId of lapsed) log.info({ event: 'grant.lapsed', grantId }, 'a request has lapsed')
      if (lapsed.length < lapsedAtOnce) return
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#deps.clock.sleep(everyMs, signal)
      } catch {
        return // stopping
      }
      await this.look()
    }
  }
}

/** A credential that has expired and cannot be renewed any more is the end of the budget. */
function isSpent({ state, serial, notAfterMs, used, budget }: Grant, nowMs: number): boolean {
  return state === 'active' && serial !== '' && notAfterMs <= nowMs && used.renewals >= budget.renewals
}

async function inSlices<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += atOnce) await Promise.all(items.slice(at, at + atOnce).map(work))
}
