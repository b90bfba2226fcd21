import { BelievedTime, leapMs } from '../../src/core/believed-time.ts'
import type { Clock } from '../../src/ports/clock.ts'

/** The time that decides when grants end: {@link BelievedTime} of the server's clock. */
export class GrantTime {
  readonly #clock: Clock
  readonly #believed: BelievedTime

  /** @param knownMs a time that has passed for certain: the latest that the store has on record */
  constructor(clock: Clock, knownMs: number) {
    this.#clock = clock
    this.#believed = new BelievedTime({ nowMs: clock.nowMs(), bootMs: clock.bootMs() }, knownMs)
  }

  /** Whole ms. To be asked at least every few minutes. */
  nowMs(): number {
    return this.#believed.at({ nowMs: this.#clock.nowMs(), bootMs: this.#clock.bootMs() })
  }

  /** How far the wall clock is from it, when that is more than a leap: nothing can be issued then. Positive: ahead. */
  get leapMs(): number | undefined {
    const offMs = this.#clock.nowMs() - this.nowMs()
    return Math.abs(offMs) > leapMs ? offMs : undefined
  }
}
