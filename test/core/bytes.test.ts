import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, concatBytes, equalBytes, fromHex, toHex } from '../../src/core/bytes.ts'

test('hexadecimal goes both ways and refuses what is none', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes)
    }),
  )
  expect(fromHex('0')).toBeUndefined()
  expect(fromHex('0g')).toBeUndefined()
})

test('bytes order as their hexadecimal does, and are equal only to themselves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (left, right) => {
      const [a, b] = [toHex(left), toHex(right)]
      expect(Math.sign(compareBytes(left, right))).toBe(a < b ? -1 : a > b ? 1 : 0)
      expect(equalBytes(left, right)).toBe(a === b)
    }),
  )
})

test('joined bytes keep their order', () => {
  expect(concatBytes(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3))
})
