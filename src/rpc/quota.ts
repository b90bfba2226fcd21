import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'

export interface QuotaTerms {
  /** Refilled evenly. */
  readonly perSecond: number
  /** Most that can be saved up. */
  readonly burst: number
  /** The key of the configuration that says so: `limits.entriesPerSecond`. */
  readonly setting?: string
}

interface Bucket {
  left: number
  atMs: number
}

const maxCallers = 10_000

/** A token bucket for each caller, on the clock that never goes back. More in one call than can ever be saved up is let through when all of that is there, and waited for afterwards. */
export class Quota {
  readonly #clock: Clock
  readonly #terms: QuotaTerms
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, terms: QuotaTerms) {
    this.#clock = clock
    this.#terms = terms
  }

  /** @throws {MayflyError} LIMIT_EXCEEDED, with how long to wait */
  take(caller: string, count: number): void {
    const { perSecond, burst, setting } = this.#terms
    const nowMs = this.#clock.bootMs()
    const before = this.#buckets.get(caller) ?? { left: burst, atMs: nowMs }
    const there = Math.min(burst, before.left + ((nowMs - before.atMs) * perSecond) / 1_000)
    const left = there - count
    const missing = Math.min(count, burst) - there
    if (missing > 0) {
      const retryAfterMs = Math.ceil((missing * 1_000) / perSecond)
      throw new MayflyError('LIMIT_EXCEEDED', `this caller asks for too much at once${setting === undefined ? '' : `: ${setting} is ${perSecond}`}`, { hint: `wait ${retryAfterMs} ms`, details: { retryAfterMs } })
    }
    this.#buckets.delete(caller)
    if (this.#buckets.size >= maxCallers) this.#forgetOldest()
    this.#buckets.set(caller, { left, atMs: nowMs })
  }

  /** The one that asked longest ago; it has most likely been refilled. */
  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}
