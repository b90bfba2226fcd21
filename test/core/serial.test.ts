import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { decodeSerial, encodeSerial, formatSerial, minuteOf, parseSerial } from '../../src/core/serial.ts'

const serials = fc.record({
  shard: fc.integer({ min: 1, max: 127 }),
  minute: fc.integer({ min: 0, max: 0xffff_ffff }),
  index: fc.integer({ min: 0, max: 0xffff_ffff }),
  random: fc.uint8Array({ minLength: 8, maxLength: 8 }),
})

test('a serial is shard, minute, index and random bytes in this order, big endian', () => {
  const bytes = encodeSerial({ shard: 1, minute: 0x01020304, index: 0x0a0b0c0d, random: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })
  expect(toHex(bytes)).toBe('01010203040a0b0c0d0102030405060708')
})

test('what is encoded is decoded, in bytes and in text', () => {
  fc.assert(
    fc.property(serials, (serial) => {
      expect(decodeSerial(encodeSerial(serial))).toEqual(serial)
      expect(parseSerial(formatSerial(serial))).toEqual(serial)
    }),
  )
})

test('as an INTEGER every serial is positive and of at most 20 octets', () => {
  fc.assert(
    fc.property(serials, (serial) => {
      const bytes = encodeSerial(serial)
      expect(bytes.length).toBe(17)
      expect(bytes[0]).toBeGreaterThan(0)
      expect(bytes[0]).toBeLessThan(128)
    }),
  )
})

test('bytes of another length or shard are none of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      const serial = decodeSerial(bytes)
      if (bytes.length !== 17 || bytes[0] === 0 || (bytes[0] ?? 0) > 127) expect(serial).toBeUndefined()
      else expect(serial && toHex(encodeSerial(serial))).toBe(toHex(bytes))
    }),
  )
})

test('fields outside their range are refused', () => {
  const random = new Uint8Array(8)
  for (const serial of [
    { shard: 0, minute: 1, index: 0, random },
    { shard: 128, minute: 1, index: 0, random },
    { shard: 1, minute: 2 ** 32, index: 0, random },
    { shard: 1, minute: 1, index: -1, random },
    { shard: 1, minute: 1, index: 0.5, random },
    { shard: 1, minute: 1, index: 0, random: new Uint8Array(7) },
  ]) {
    expect(() => encodeSerial(serial)).toThrow(expect.objectContaining({ code: 'SERIAL_INVALID' }))
  }
})

test('text may have colons and either case', () => {
  expect(formatSerial(parseSerial('01:01:02:03:04:0A:0B:0C:0D:01:02:03:04:05:06:07:08'))).toBe('01010203040a0b0c0d0102030405060708')
  expect(() => parseSerial('0101')).toThrow(expect.objectContaining({ code: 'SERIAL_INVALID' }))
})

test('the minute is that in which notAfter lies', () => {
  expect(minuteOf(59_999)).toBe(0)
  expect(minuteOf(60_000)).toBe(1)
})
