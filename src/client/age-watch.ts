import { isOutdated, type Freshness, type StalenessClass } from '../core/revocation/freshness.ts'
import type { Clock } from '../ports/clock.ts'
import type { RevocationChecker } from '../verify/checker.ts'

interface Watched {
  readonly limit: StalenessClass
  readonly cut: (known: Freshness | undefined) => void
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

  /** @param cut called at most once, with how fresh the source is; unset: it knows nothing. @returns to be disposed when there is nothing to end any more */
  add(limit: Exclude<StalenessClass, 'available'>, cut: (known: Freshness | undefined) => void): Disposable {
    const watched: Watched = { limit, cut }
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
      if (!signal.aborted) this.#look(this.#source.freshness())
    }
  }

  #look(known: Freshness | undefined): void {
    for (const watched of this.#watched) {
      if (known !== undefined && !isOutdated(known, watched.limit)) continue
      this.#remove(watched)
      watched.cut(known)
    }
  }
}
