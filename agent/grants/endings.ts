import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { within } from '../abortable.ts'
import type { BindingEnd } from './binding.ts'
import type { EndReports } from './end-reports.ts'
import type { Roster } from './roster.ts'
import { isOverState, overError } from './task.ts'
import type { Task } from './task.ts'

export interface EndingsDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly reports: EndReports
  readonly roster: Roster
  /** Says who lives, soon. */
  readonly life: { say(): void }
}

/** How long whoever started the bound process has to say how it ended. Its access is gone meanwhile. */
const lastWordMs = 500

/** How grants end on this node: access first and at once, the server's record as soon as it hears of it; the first cause stays. */
export class Endings {
  readonly #deps: EndingsDeps
  readonly #stop = new AbortController()
  readonly #purging = new Set<Promise<unknown>>()

  constructor(deps: EndingsDeps) {
    this.#deps = deps
  }

  /** Resolves with the grant as the server has it after that. Once: said again it changes nothing. */
  end(task: Task, cause: string, outcome: string, detail: string): Promise<Grant__Output> {
    const { log, reports } = this.#deps
    if (task.ended !== undefined) return task.ended
    if (isOverState(task.grant.state)) return Promise.resolve(task.grant)
    const report = { grantId: task.id, cause, outcome, detail }
    log.info({ event: 'grant.ending', grantId: task.id, spiffeId: task.grant.spiffeId, cause, detail }, 'a grant ends')
    task.ended = this.#told(task, reports.report(report))
    task.endHere(report)
    task.lastWord?.resolve()
    this.purge(task)
    return task.ended
  }

  /** Nobody wants it any more. */
  withdraw(task: Task): Promise<Grant__Output> {
    const told = this.end(task, 'withdrawn', '', 'its requester asks no more')
    told.catch(() => undefined) // reported by itself
    return told
  }

  /** What it was bound to is gone: access ends now. A process that started it and is there still says first how it ended. */
  async lost(task: Task, end: BindingEnd, hasParent: boolean): Promise<void> {
    const { clock, log } = this.#deps
    this.purge(task)
    const { cause, detail } = (await end.settled) ?? end
    log.info({ event: 'grant.binding_lost', grantId: task.id, cause, detail }, 'what a grant was bound to is gone')
    if (hasParent && task.end === undefined) {
      task.lastWord = Promise.withResolvers<void>()
      await within(task.lastWord.promise, lastWordMs, tooLate, clock, this.#stop.signal).catch(() => undefined) // it had its chance
    }
    await this.end(task, cause, '', detail).catch(() => undefined) // reported by itself
  }

  /** Nothing of it, nor of what is below it, is left on this node. */
  purge(task: Task): void {
    const { log, roster, life } = this.#deps
    for (const child of roster.all()) if (child.grant.parentId === task.id && child.held?.over.aborted === false) this.#endBelow(child, `${task.id} has ended`)
    const reason = overError(task)
    const done = Promise.all([task.held?.purge(reason), task.listener?.close(reason)])
      .catch((error: unknown) => log.error({ event: 'grant.purge_failed', grantId: task.id, error: String(error) }, 'something of a grant could not be removed'))
      .finally(() => {
        this.#purging.delete(done)
        task.held = task.listener = undefined // twelve kilobytes and a server with all its methods, and the grant is remembered for long
      })
    this.#purging.add(done)
    life.say()
  }

  /** Ends all that is left, as the agent stops; tells the server of it if that takes no longer than a moment. */
  async endAll(): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    const left = this.#deps.roster.all().filter(({ isOver }) => !isOver)
    const told = left.map((task) => (task.held === undefined ? this.withdraw(task) : this.end(task, 'orphan', '', 'the agent stopped')))
    await Promise.allSettled(told.map((each) => within(each, lastWordMs, tooLate, this.#deps.clock, new AbortController().signal)))
    await Promise.allSettled(this.#purging)
  }

  /** The server ends it with its parent; who follows it is told so before the parent's socket, on which they may, is closed. */
  #endBelow(child: Task, detail: string): void {
    if (child.end === undefined) child.endHere({ grantId: child.id, cause: 'parent_ended', outcome: '', detail })
    this.purge(child)
  }

  async #told(task: Task, report: Promise<Grant__Output>): Promise<Grant__Output> {
    try {
      task.update(await report)
      return task.grant
    } catch (error) {
      this.#deps.log.warn({ event: 'grant.end_refused', grantId: task.id, cause: String(error) }, 'the server did not take the end of a grant')
      throw error
    }
  }
}

function tooLate(): MayflyError {
  return new MayflyError('SHUTTING_DOWN', 'there was no time to wait for')
}
