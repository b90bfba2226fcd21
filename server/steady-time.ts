/** The two clocks at one moment, as `Clock` gives them. */
export interface Moment {
  readonly nowMs: number
  readonly bootMs: number
}

/** A wall clock that leapt ahead is believed once it has said the same for so long: longer than any credential lives, so that by then none of before is live. */
const confirmMs = 86_400_000

/**
 * A wall time that surely has passed, for whatever cannot be undone: it starts from a moment that is known, goes on only as far as time since boot does, and is never
 * ahead of the wall clock. So a clock that leaps ahead moves nothing before a day has really passed, and one that is set right again has moved nothing at all.
 */
export class SteadyTime {
  #steadyMs: number
  #lastBootMs: number
  /** Offsets of the wall clock to the time since boot, as they were at each look of the last day. */
  #looks: { readonly bootMs: number; readonly offsetMs: number }[] = []

  /** @param knownMs a wall time that has passed for certain */
  constructor(knownMs: number, { bootMs }: Moment) {
    this.#steadyMs = knownMs
    this.#lastBootMs = bootMs
  }

  /** To be called at least every few hours; the more often the better a leap between two looks is noticed. */
  look({ nowMs, bootMs }: Moment): number {
    this.#steadyMs += bootMs - this.#lastBootMs
    this.#lastBootMs = bootMs
    this.#looks.push({ bootMs, offsetMs: nowMs - bootMs })
    const since = this.#looks.findLastIndex((look) => look.bootMs <= bootMs - confirmMs)
    if (since >= 0) {
      this.#looks.splice(0, since)
      const confirmedMs = bootMs + Math.min(...this.#looks.map(({ offsetMs }) => offsetMs))
      this.#steadyMs = Math.max(this.#steadyMs, confirmedMs)
    }
    return Math.min(nowMs, this.#steadyMs)
  }
}
