import type { StalenessClass } from '../core/revocation/freshness.ts'
import { stalenessLimitMs } from '../core/revocation/freshness.ts'
import type { Clock } from '../ports/clock.ts'
import type { RevocationChecker } from '../verify/checker.ts'

interface Watched {
  readonly limitMs: number
  readonly cut: (ageMs: number) => void
}

const lookEveryMs = 250

/**
 * Ends what was accepted under `strict` or `standard` once revocations are known less freshly than its class allows: without news an open
 * connection is as unsafe as a new one. In a process that was stopped too, as soon as it goes on.
 */
export class AgeWatch {
  readonly #source: RevocationChecker
  readonly #clock: Clock
  readonly #watched = new Set<Watched>()
  #running: AbortController | undefined

  constructor(source: RevocationChecker, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  /** @param cut called at most once, with the age in ms. @returns to be disposed when there is nothing to end any more */
  add(limit: Exclude<StalenessClass, 'available'>, cut: (ageMs: number) => void): Disposable {
    const watched: Watched = { limitMs: stalenessLimitMs[limit], cut }
    this.#watched.add(watched)
    if (this.#running === undefined) void this.#run((this.#running = new AbortController()))
    return { [Symbol.dispose]: () => this.#remove(watched) }
  }

  /** The loop ends with the last one, so that it keeps no process alive. */
  #remove(watched: Watched): void {
    if (!this.#watched.delete(watched) || this.#watched.size > 0) return
    this.#running?.abort()
    this.#running = undefined
  }

  async #run({ signal }: AbortController): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(lookEveryMs, signal).catch(() => undefined) // only aborts
      if (!signal.aborted) this.#look(this.#source.freshness()?.ageMs ?? Number.POSITIVE_INFINITY)
    }
  }

  #look(ageMs: number): void {
    for (const watched of this.#watched) {
      if (ageMs <= watched.limitMs) continue
      this.#remove(watched)
      watched.cut(ageMs)
    }
  }
}
