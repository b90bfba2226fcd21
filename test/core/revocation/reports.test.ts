import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeReport, encodeReport, maxSoftwareBytes, softwareText, type Report } from '../../../src/core/revocation/reports.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const head = { instance: bytes(16), number: whole }

const uses = fc.array(fc.record({ serial: bytes(17), firstMs: fc.nat(), lastMs: fc.nat().map((ms) => ms + 0x1_0000_0000), count: fc.integer({ min: 1, max: 0xffff_ffff }) }), { minLength: 1, maxLength: 5 })

const report: fc.Arbitrary<Report> = fc.oneof(
  fc.record({ ...head, kind: fc.constant('registration' as const), class: fc.constantFrom('strict' as const, 'standard' as const, 'available' as const), software: fc.string({ unit: 'binary' }).map(softwareText) }),
  fc.record({ ...head, kind: fc.constant('receipt' as const), epoch: whole, seq: whole, floorMinute: fc.nat({ max: 0xffff_ffff }), heldMs: fc.nat({ max: 0xffff_ffff }), root: bytes(32) }),
  fc.record({ ...head, kind: fc.constant('uses' as const), uses }),
  fc.record({ ...head, kind: fc.constant('refusals' as const), refusals: uses }),
)

test('every report survives its encoding, and has one form', () => {
  fc.assert(
    fc.property(report, (sent) => {
      const body = encodeReport(sent)
      expect(decodeReport(body)).toEqual(sent)
      expect(decodeReport(Uint8Array.from([...body, 0]))).toBeUndefined()
      expect(decodeReport(body.subarray(0, -1))).toBeUndefined()
    }),
  )
})

test('whatever decodes encodes to the same bytes', () => {
  fc.assert(
    fc.property(report, fc.nat(), fc.nat({ max: 255 }), (sent, at, value) => {
      const body = encodeReport(sent)
      body[at % body.length] = value
      const decoded = decodeReport(body)
      if (decoded !== undefined) expect(encodeReport(decoded)).toEqual(body)
    }),
  )
})

test('garbage does not decode, and nothing throws', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (garbage) => void decodeReport(garbage)))
  expect(decodeReport(encodeReport({ kind: 'uses', instance: new Uint8Array(16), number: 1, uses: [] }))).toBeUndefined()
  expect(decodeReport(encodeReport({ kind: 'registration', instance: new Uint8Array(16), number: 1, class: 'strict', software: 'a\nb' }))).toBeUndefined()
  expect(decodeReport(encodeReport({ kind: 'uses', instance: new Uint8Array(16), number: 1, uses: [{ serial: new Uint8Array(17), firstMs: 2, lastMs: 1, count: 1 }] }))).toBeUndefined()
})

test('a name of software is cut to what fits, and never in a character', () => {
  expect(softwareText('mayfly 1.0\u0007')).toBe('mayfly 1.0 ')
  expect(new TextEncoder().encode(softwareText('é'.repeat(80))).length).toBeLessThanOrEqual(maxSoftwareBytes)
  expect(softwareText('😀'.repeat(80)).isWellFormed()).toBe(true)
})
