import fc from 'fast-check'
import { expect, test } from 'vitest'

import { flatness, type Sample } from './flatness.ts'

const bound = { perHour: 8, floor: 4 }
const minuteMs = 60_000

/** A sample each ten seconds. */
function run(minutes: number, value: (minute: number) => number): readonly Sample[] {
  return Array.from({ length: minutes * 6 }, (_, at) => ({ atMs: at * 10_000, value: value(at / 6) }))
}

test('what rises only in the first half is flat', () => {
  expect(flatness(run(60, (minute) => 100 + Math.min(minute, 25) * 4), bound)).toMatchObject({ isFlat: true, points: 20 })
})

test('what leaks steadily is not, and the line says how much', () => {
  const { isFlat, perHour } = flatness(run(60, (minute) => 100 + minute * 0.5), bound)
  expect(isFlat).toBe(false)
  expect(perHour).toBeCloseTo(30, 5)
})

test('a leak within the bound passes', () => {
  expect(flatness(run(60, (minute) => 100 + minute * 0.1), bound).isFlat).toBe(true)
})

test('what was given back and is taken again is no growth, unless it goes on beyond what there was', () => {
  const given = (minute: number): number => 136 - (minute < 27 ? 0 : 8 - Math.min(7, (minute - 27) / 4))
  expect(flatness(run(60, given), bound)).toMatchObject({ isFlat: true })
  expect(flatness(run(60, (minute) => given(minute) + minute * 0.5), bound).isFlat).toBe(false)
})

test('the saw teeth of a collector do not hide a leak, and are none', () => {
  const teeth = (minute: number): number => (minute * 7) % 20
  expect(flatness(run(60, (minute) => 100 + teeth(minute)), bound).isFlat).toBe(true)
  expect(flatness(run(60, (minute) => 100 + teeth(minute) + minute), bound).isFlat).toBe(false)
})

test('noise of any kind around a level is flat nearly always, and what grows by half of itself never is', () => {
  const noise = fc.array(fc.double({ min: 0, max: 6, noNaN: true }), { minLength: 360, maxLength: 360 })
  fc.assert(
    fc.property(noise, (offsets) => {
      expect(flatness(run(60, (minute) => 100 + (offsets[Math.round(minute * 6)] ?? 0)), { perHour: 8, floor: 6 }).isFlat).toBe(true)
      expect(flatness(run(60, (minute) => 100 + minute * 2 + (offsets[Math.round(minute * 6)] ?? 0)), { perHour: 8, floor: 6 }).isFlat).toBe(false)
    }),
    { numRuns: 50 },
  )
})

test('nothing, one sample and samples of one moment are flat', () => {
  for (const samples of [[], [{ atMs: 0, value: 1 }], [0, 1, 2, 3].map((value) => ({ atMs: minuteMs, value }))]) expect(flatness(samples, bound)).toMatchObject({ isFlat: true, rise: 0 })
})
