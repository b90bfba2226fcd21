import type { Clock } from '../../src/ports/clock.ts'

/** Both clocks, read together. */
export interface Moment {
  readonly nowMs: number
  readonly bootMs: number
}

export function momentOf(clock: Pick<Clock, 'nowMs' | 'bootMs'>): Moment {
  return { nowMs: clock.nowMs(), bootMs: clock.bootMs() }
}
