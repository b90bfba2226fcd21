import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDurationMs } from '../../src/core/duration.ts'

test('units add up', () => {
  expect(parseDurationMs('1h30m')).toBe(5_400_000)
  expect(parseDurationMs('250ms')).toBe(250)
  expect(parseDurationMs('7d')).toBe(604_800_000)
})

test('a bare number, a sign, a fraction or a blank is refused', () => {
  for (const text of ['', '5', '-5s', '1.5h', '5 m', '5M', 'm', '1e3s']) {
    expect(() => parseDurationMs(text)).toThrow(expect.objectContaining({ code: 'DURATION_INVALID' }))
  }
})

test('what is printed reads back as the two largest units of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 10 ** 10 }), (ms) => {
      const read = parseDurationMs(formatDuration(ms))
      expect(read).toBeLessThanOrEqual(ms)
      expect(ms - read).toBeLessThan(ms < 3_600_000 ? 1_000 : ms < 86_400_000 ? 60_000 : 3_600_000)
    }),
  )
  expect(formatDuration(899_000)).toBe('14m59s')
  expect(formatDuration(12)).toBe('12ms')
})
