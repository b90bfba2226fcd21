import type { Clock } from '../../src/ports/clock.ts'

/** A wall clock that is set on by more than this is not believed. */
export const leapMs = 300_000
/** Until it has said the same for so long. */
const confirmMs = 86_400_000

/**
 * The time that decides when grants end (invariant 15). It never goes back and goes on with the time since boot: a wall clock that is set back extends nothing,
 * and one that leaps ahead by over five minutes ends nothing until it has stood by it for a day. Smaller corrections are followed at once.
 */
export class GrantTime {
  readonly #clock: Clock
  #steadyMs: number
  #lookedBootMs: number
  /** Since when the wall clock has been ahead by more than a leap, by the time since boot. */
  #aheadSinceBootMs: number | undefined

  /** @param knownMs a time that has passed for certain: the latest that the store has on record */
  constructor(clock: Clock, knownMs: number) {
    this.#clock = clock
    this.#steadyMs = Math.max(clock.nowMs(), knownMs)
    this.#lookedBootMs = clock.bootMs()
  }

  /** Whole ms. To be asked at least every few minutes. */
  nowMs(): number {
    const bootMs = this.#clock.bootMs()
    const wallMs = this.#clock.nowMs()
    this.#steadyMs += Math.max(0, bootMs - this.#lookedBootMs)
    this.#lookedBootMs = bootMs
    if (wallMs - this.#steadyMs <= leapMs) this.#aheadSinceBootMs = undefined
    else this.#aheadSinceBootMs ??= bootMs
    const believed = this.#aheadSinceBootMs === undefined || bootMs - this.#aheadSinceBootMs >= confirmMs
    if (believed) this.#steadyMs = Math.max(this.#steadyMs, wallMs)
    return Math.floor(this.#steadyMs)
  }

  /** How far the wall clock is from it, when that is more than a leap: nothing can be issued then. Positive: ahead. */
  get leapMs(): number | undefined {
    const offMs = this.#clock.nowMs() - this.nowMs()
    return Math.abs(offMs) > leapMs ? offMs : undefined
  }
}
