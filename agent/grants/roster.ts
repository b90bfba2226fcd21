import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { HeldGrant } from './held-grant.ts'
import type { Task } from './task.ts'

/** Grants that are over, for whoever asks how they ended: six kilobytes each. */
const maxRemembered = 1_000
const rememberedMs = 600_000

/** The grants that this node knows of, by their ID. */
export class Roster {
  readonly #clock: Pick<Clock, 'bootMs'>
  readonly #tasks = new Map<string, Task>()
  /** When it was first seen here that a grant is over, by its ID. */
  readonly #overSince = new Map<string, number>()

  constructor(clock: Pick<Clock, 'bootMs'>) {
    this.#clock = clock
  }

  /** Those that are over for long, and the oldest of the others that are over when there are too many, make room. */
  add(task: Task): void {
    this.#tasks.set(task.id, task)
    const nowMs = this.#clock.bootMs()
    for (const [id, { isOver }] of this.#tasks) {
      if (!isOver) continue
      const sinceMs = this.#overSince.get(id) ?? nowMs
      this.#overSince.set(id, sinceMs)
      if (nowMs - sinceMs >= rememberedMs || this.#tasks.size > maxRemembered) this.#forget(id)
    }
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id)
  }

  all(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  /** One of a grant or of what is below it; the grant itself when none is named. @throws {MayflyError} NOT_FOUND */
  below(parentId: string, grantId: string): Task {
    const task = this.#tasks.get(grantId === '' ? parentId : grantId)
    for (let at = task; at !== undefined; at = this.#tasks.get(at.grant.parentId)) if (at.id === parentId && task !== undefined) return task
    throw new MayflyError('NOT_FOUND', 'this grant has no such child')
  }

  /** Those that run. */
  held(): readonly { readonly id: string; readonly held: HeldGrant }[] {
    return this.all().flatMap(({ id, held, end }) => (held === undefined || end !== undefined || held.over.aborted ? [] : [{ id, held }]))
  }

  /** Those whose binding holds at this moment. */
  living(): string[] {
    return this.held().flatMap(({ id, held }) => (held.binding.holds() ? [id] : []))
  }

  #forget(id: string): void {
    this.#tasks.delete(id)
    this.#overSince.delete(id)
  }
}
