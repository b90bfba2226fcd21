import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BelievedTime, leapMs } from '../../src/core/believed-time.ts'

const startMs = 1_800_000_000_000
const dayMs = 86_400_000

function believedFrom(knownMs = 0): (passedMs: number, offsetMs: number) => number {
  const time = new BelievedTime({ nowMs: startMs, bootMs: 0 }, knownMs)
  return (passedMs, offsetMs) => time.at({ nowMs: startMs + passedMs + offsetMs, bootMs: passedMs }) - startMs
}

describe('the time that grants end by', () => {
  test('set back, the wall clock extends nothing', () => {
    const at = believedFrom()
    expect(at(1_000, -3_600_000)).toBe(1_000)
    expect(at(2_000, 0)).toBe(2_000)
  })

  test('a correction of up to five minutes is followed at once, and never taken back', () => {
    const at = believedFrom()
    expect(at(1_000, leapMs)).toBe(1_000 + leapMs)
    expect(at(2_000, 0)).toBe(2_000 + leapMs)
  })

  test('a leap of more is not believed until the clock is set right, or has stood by it for a day', () => {
    const at = believedFrom()
    expect(at(1_000, leapMs + 1_001)).toBe(1_000)
    expect(at(2_000, 0)).toBe(2_000)
    expect(at(3_000, 3_600_000)).toBe(3_000)
    expect(at(3_000 + dayMs - 1, 3_600_000)).toBe(3_000 + dayMs - 1)
    expect(at(3_000 + dayMs, 3_600_000)).toBe(3_000 + dayMs + 3_600_000)
  })

  test('it starts at what has passed for certain', () => {
    expect(believedFrom(startMs + 5_000)(0, 0)).toBe(5_000)
  })

  test('whatever the wall clock does, it never goes back, and passes at least as fast as the time since boot', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ passedMs: fc.integer({ min: 0, max: dayMs }), offsetMs: fc.integer({ min: -10 * dayMs, max: 10 * dayMs }) }), { maxLength: 20 }), (looks) => {
        const at = believedFrom()
        let passedMs = 0
        let before = 0
        for (const look of looks) {
          passedMs += look.passedMs
          const now = at(passedMs, look.offsetMs)
          expect(now).toBeGreaterThanOrEqual(before + look.passedMs)
          before = now
        }
      }),
    )
  })
})
