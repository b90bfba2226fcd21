/** Both clocks of a machine, read together: the wall's, which somebody may set, and the time since boot. Ms. */
export interface Clocks {
  readonly nowMs: number
  readonly bootMs: number
}

/** A wall clock that is set on by more than this is not believed. */
export const leapMs = 300_000
/** Until it has said the same for so long. */
const confirmMs = 86_400_000

/**
 * The time that decides when grants end (invariant 15). It never goes back and goes on with the time since boot: a wall clock that is set back extends nothing,
 * and one that leaps ahead by over five minutes ends nothing until it has stood by it for a day. Smaller corrections are followed at once.
 */
export class BelievedTime {
  #believedMs: number
  #lookedBootMs: number
  /** Since when the wall clock has been ahead by more than a leap, by the time since boot. */
  #aheadSinceBootMs: number | undefined

  /** @param knownMs a time that has passed for certain */
  constructor({ nowMs, bootMs }: Clocks, knownMs: number) {
    this.#believedMs = Math.max(nowMs, knownMs)
    this.#lookedBootMs = bootMs
  }

  /** Whole ms. To be asked at least every few minutes. */
  at({ nowMs, bootMs }: Clocks): number {
    this.#believedMs += Math.max(0, bootMs - this.#lookedBootMs)
    this.#lookedBootMs = bootMs
    if (nowMs - this.#believedMs <= leapMs) this.#aheadSinceBootMs = undefined
    else this.#aheadSinceBootMs ??= bootMs
    const believed = this.#aheadSinceBootMs === undefined || bootMs - this.#aheadSinceBootMs >= confirmMs
    if (believed) this.#believedMs = Math.max(this.#believedMs, nowMs)
    return Math.floor(this.#believedMs)
  }
}
