import { MayflyError } from '../../src/core/errors.ts'
import type { HeldGrant } from './held-grant.ts'
import type { Task } from './task.ts'

/** Of grants that are over, for whoever asks how they ended. */
const maxRemembered = 1_000

/** The grants that this node knows of, by their ID. */
export class Roster {
  readonly #tasks = new Map<string, Task>()

  /** The oldest of those that are over make room. */
  add(task: Task): void {
    this.#tasks.set(task.id, task)
    if (this.#tasks.size <= maxRemembered) return
    for (const [id, old] of this.#tasks) {
      if (this.#tasks.size <= maxRemembered) return
      if (old.isOver) this.#tasks.delete(id)
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
}
