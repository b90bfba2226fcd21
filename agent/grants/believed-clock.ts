import { BelievedTime } from '../../src/core/believed-time.ts'
import type { Clock } from '../../src/ports/clock.ts'

/**
 * The clock of this node as far as it is believed (invariant 15): what runs is not given up, nor its budget spent on SVIDs that look expired, because the wall
 * clock was set on by hours; it goes by the time since boot until that clock is set right.
 */
export function believedClock(clock: Clock): Clock {
  const clocks = (): { readonly nowMs: number; readonly bootMs: number } => ({ nowMs: clock.nowMs(), bootMs: clock.bootMs() })
  const believed = new BelievedTime(clocks(), 0)
  return { nowMs: () => believed.at(clocks()), bootMs: () => clock.bootMs(), sleep: async (ms, signal) => clock.sleep(ms, signal) }
}
