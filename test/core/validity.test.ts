import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encloses, includes, leafValidity, type LeafTerms } from '../../src/core/validity.ts'

const issuer = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2026, 0, 8) }
const terms: LeafTerms = { ttlMs: 900_000, maxTtlMs: 3_600_000, backdateMs: 10_000, issuer }
const noon = Date.UTC(2026, 0, 2, 12)

describe('the validity of a leaf', () => {
  test('begins ten seconds back and ends after the TTL', () => {
    expect(leafValidity(noon, terms)).toEqual({ notBeforeMs: noon - 10_000, notAfterMs: noon + 900_000 })
  })

  test('has whole seconds, rounded down, so that nothing lives longer than asked', () => {
    expect(leafValidity(noon + 999, terms)).toEqual({ notBeforeMs: noon - 10_000, notAfterMs: noon + 900_000 })
  })

  test('never ends past its issuer’s', () => {
    expect(leafValidity(issuer.notAfterMs - 5_000, terms).notAfterMs).toBe(issuer.notAfterMs)
  })

  test('never begins before its issuer’s', () => {
    expect(leafValidity(issuer.notBeforeMs + 3_000, terms).notBeforeMs).toBe(issuer.notBeforeMs)
  })

  test('lies within its issuer’s, holds at the time of issue, and is no longer than asked, whenever it is issued', () => {
    const moment = fc.integer({ min: issuer.notBeforeMs - 20_000, max: issuer.notAfterMs + 20_000 })
    fc.assert(
      fc.property(moment, fc.integer({ min: 1_000, max: 3_600_000 }), fc.integer({ min: 0, max: 60_000 }), (nowMs, ttlMs, backdateMs) => {
        if (nowMs < issuer.notBeforeMs || nowMs >= issuer.notAfterMs) {
          expect(() => leafValidity(nowMs, { ...terms, ttlMs, backdateMs })).toThrow('not valid at this time')
          return
        }
        const validity = leafValidity(nowMs, { ...terms, ttlMs, backdateMs })
        expect(encloses(issuer, validity)).toBe(true)
        expect(includes(validity, nowMs)).toBe(true)
        expect(validity.notAfterMs - nowMs).toBeLessThanOrEqual(ttlMs)
        expect(nowMs - validity.notBeforeMs).toBeLessThanOrEqual(backdateMs + 999)
        expect([validity.notBeforeMs % 1_000, validity.notAfterMs % 1_000]).toEqual([0, 0])
      }),
    )
  })

  test('a TTL over the profile’s limit is refused, at the limit it is not', () => {
    expect(() => leafValidity(noon, { ...terms, ttlMs: 3_600_001 })).toThrow(expect.objectContaining({ code: 'TTL_TOO_LONG' }))
    expect(leafValidity(noon, { ...terms, ttlMs: 3_600_000 }).notAfterMs).toBe(noon + 3_600_000)
  })

  test.each([999, 0, -1, Number.NaN])('a TTL of %d ms is refused', (ttlMs) => {
    expect(() => leafValidity(noon, { ...terms, ttlMs })).toThrow('at least one second')
  })
})

test('both ends are included', () => {
  expect([issuer.notBeforeMs - 1, issuer.notBeforeMs, issuer.notAfterMs, issuer.notAfterMs + 1].map((ms) => includes(issuer, ms))).toEqual([false, true, true, false])
  expect(encloses(issuer, issuer)).toBe(true)
})
