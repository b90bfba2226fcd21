import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs, halfLife, halfLifeOfKept, isDue } from '../../../agent/rotation/schedule.ts'
import type { Random } from '../../../src/ports/random.ts'

const now = { nowMs: 1_000_000_000, bootMs: 5_000 }
const anyRandom = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): Random => ({ bytes: () => bytes }))

test('a fresh credential is due at half of its life, give or take a tenth of that, by both clocks', () => {
  fc.assert(
    fc.property(anyRandom, fc.integer({ min: 1, max: 86_400_000 }), (random, lifeMs) => {
      const due = halfLife(now.nowMs + lifeMs, now, random)
      expect(due.atMs - now.nowMs).toBeGreaterThanOrEqual(Math.floor(lifeMs * 0.45))
      expect(due.atMs - now.nowMs).toBeLessThanOrEqual(lifeMs * 0.55)
      expect(due.atBootMs - now.bootMs).toBe(due.atMs - now.nowMs)
    }),
  )
})

test('one that was kept over restarts is due when it was before, however often the agent restarts', () => {
  const issuedMs = now.nowMs
  const kept = { notBeforeMs: issuedMs - 10_000, notAfterMs: issuedMs + 3_600_000 }
  fc.assert(
    fc.property(anyRandom, fc.integer({ min: 0, max: 3_600_000 }), (random, agoMs) => {
      const later = { nowMs: issuedMs + agoMs, bootMs: agoMs }
      const due = halfLifeOfKept(kept, later, random)
      if (agoMs >= 1_980_000) expect(isDue(due, later)).toBe(true)
      else expect(due.atMs - issuedMs).toBeLessThanOrEqual(1_980_000)
      expect(due.atMs).toBeGreaterThanOrEqual(later.nowMs)
    }),
  )
})

test('waiting doubles up to its limit and is never less than half of it', () => {
  fc.assert(
    fc.property(anyRandom, fc.integer({ min: 1, max: 60 }), (random, failures) => {
      const waitMs = backoffMs(failures, { leastMs: 100, mostMs: 10_000 }, random)
      const fullMs = Math.min(10_000, 100 * 2 ** (failures - 1))
      expect(waitMs).toBeGreaterThanOrEqual(Math.floor(fullMs / 2))
      expect(waitMs).toBeLessThanOrEqual(fullMs)
    }),
  )
})
