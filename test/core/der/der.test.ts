import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/core/bytes.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { derOid, formatOid } from '../../../src/core/der/oid.ts'
import { DerReader } from '../../../src/core/der/reader.ts'
import { tag } from '../../../src/core/der/tag.ts'
import { derTime, readTime } from '../../../src/core/der/time.ts'
import { derAscii, derBitString, derNamedBits, derOctetString, derSequence, derUnsigned, derValue } from '../../../src/core/der/writer.ts'

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) ?? new Uint8Array(0)

describe('the reader', () => {
  test('gives back what the writer wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 0, max: 0xffff }), (content, bits) => {
        const reader = DerReader.inside(derSequence(derOctetString(content), derUnsigned(content), derBitString(content), derNamedBits(bits)))
        expect(reader.read(tag.octetString)).toEqual(content)
        const integer = reader.readInteger()
        expect(toHex(integer).replace(/^(00)+/, '')).toBe(toHex(content).replace(/^(00)+/, ''))
        expect(reader.readBitString()).toEqual(content)
        expect(reader.readNamedBits()).toBe(bits)
        reader.finish()
      }),
    )
  })

  test('writes lengths as OpenSSL does, at every border', () => {
    for (const [length, header] of [[0, '0400'], [127, '047f'], [128, '048180'], [255, '0481ff'], [256, '04820100'], [65_535, '0482ffff'], [65_536, '0483010000']] as const) {
      expect(toHex(derOctetString(new Uint8Array(length)).subarray(0, header.length / 2))).toBe(header)
    }
  })

  const malformed: readonly [string, string][] = [
    ['an empty input', ''],
    ['a header cut off', '30'],
    ['a content cut off', '30 02 05'],
    ['something after the value', '30 00 00'],
    ['an indefinite length', '30 80 00 00'],
    ['a length of more octets than needed', '30 81 01 05'],
    ['a length with a leading zero', '30 82 00 80'],
    ['a length of five octets', '30 85 01 00 00 00 00'],
    ['a length past 2³²', '30 84 ff ff ff ff'],
    ['a tag of several octets', '3f 81 01 00'],
  ]
  test.each(malformed)('refuses %s', (_, hex) => {
    expect(() => DerReader.inside(bytes(hex))).toThrow(MayflyError)
  })

  const malformedValues: readonly [string, string, (reader: DerReader) => unknown][] = [
    ['a boolean of 01', '01 01 01', (reader) => reader.readBoolean()],
    ['an empty integer', '02 00', (reader) => reader.readInteger()],
    ['an integer with a needless zero', '02 02 00 7f', (reader) => reader.readInteger()],
    ['a negative integer with a needless ff', '02 02 ff 80', (reader) => reader.readInteger()],
    ['a negative small integer', '02 01 ff', (reader) => reader.readSmallInteger()],
    ['a small integer of 2³¹', '02 05 00 80 00 00 00', (reader) => reader.readSmallInteger()],
    ['a bit string with unused bits where octets are meant', '03 02 01 02', (reader) => reader.readBitString()],
    ['an empty bit string without its first octet', '03 00', (reader) => reader.readBitString()],
    ['named bits with a trailing zero bit', '03 02 04 a0', (reader) => reader.readNamedBits()],
    ['named bits whose unused bits are set', '03 02 05 a1', (reader) => reader.readNamedBits()],
    ['named bits that count eight unused', '03 02 08 80', (reader) => reader.readNamedBits()],
  ]
  test.each(malformedValues)('refuses %s', (_, hex, read) => {
    expect(() => read(DerReader.over(bytes(hex)))).toThrow(MayflyError)
  })

  test('refuses nesting without end', () => {
    let value = derSequence()
    for (let depth = 0; depth < 20; depth++) value = derSequence(value)
    const descend = (reader: DerReader): void => descend(reader.enter(tag.sequence))
    expect(() => descend(DerReader.over(value))).toThrow('nested too deep')
  })

  test('throws DER_INVALID and nothing else on any bytes', () => {
    const walk = (reader: DerReader): void => {
      while (!reader.done) {
        const next = reader.peek() ?? 0
        if ((next & 0x20) !== 0) walk(reader.enter(next))
        else if (next === tag.oid) formatOid(reader.read(next))
        else if (next === tag.utcTime || next === tag.generalizedTime) readTime(reader)
        else if (next === tag.integer) reader.readInteger()
        else reader.readWhole()
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (content) => {
        try {
          walk(DerReader.over(derValue(tag.sequence, content)))
        } catch (error) {
          expect(error).toMatchObject({ code: 'DER_INVALID' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('object identifiers', () => {
  test('come back as they went in, arcs of any size', () => {
    const arc = fc.bigInt({ min: 0n, max: 2n ** 128n })
    const text = fc
      .oneof(fc.tuple(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: 39n }), fc.array(arc, { maxLength: 2 })), fc.tuple(fc.constant(2n), arc, fc.array(arc, { maxLength: 1 })))
      .map(([first, second, rest]) => [first, second, ...rest].join('.'))
    fc.assert(
      fc.property(text, (oid) => {
        expect(formatOid(DerReader.over(derOid(oid)).read(tag.oid))).toBe(oid)
      }),
    )
  })

  test.each(['', '1', '3.1', '1.40', '1.02', '1.2.', 'a.b'])('refuse the text %j', (text) => {
    expect(() => derOid(text)).toThrow(MayflyError)
  })

  test.each(['', '80', '8001', '2a80', '2a8001'])('refuse the octets %j', (hex) => {
    expect(() => formatOid(bytes(hex))).toThrow(MayflyError)
  })
})

describe('times', () => {
  test('come back as they went in: UTCTime through 2049, GeneralizedTime from 2050', () => {
    fc.assert(
      fc.property(fc.integer({ min: -631_152_000, max: 253_402_300_799 }), (seconds) => {
        const der = derTime(seconds * 1_000)
        expect(der[0]).toBe(seconds < 2_524_608_000 ? tag.utcTime : tag.generalizedTime)
        expect(readTime(DerReader.over(der))).toBe(seconds * 1_000)
      }),
    )
  })

  test('the last second of 2049 and the first of 2050', () => {
    expect(derTime(Date.UTC(2049, 11, 31, 23, 59, 59))).toEqual(derAscii(tag.utcTime, '491231235959Z'))
    expect(derTime(Date.UTC(2050, 0, 1))).toEqual(derAscii(tag.generalizedTime, '20500101000000Z'))
  })

  test.each([
    ['milliseconds', 1_001],
    ['before 1950', Date.UTC(1949, 11, 31)],
    ['after 9999', 253_402_300_800_000],
    ['no number', Number.NaN],
  ])('refuse to write %s', (_, ms) => {
    expect(() => derTime(ms)).toThrow(MayflyError)
  })

  test.each([
    ['no seconds', tag.utcTime, '2601010000Z'],
    ['an offset', tag.utcTime, '260101000000+0100'],
    ['a fraction', tag.generalizedTime, '20500101000000.5Z'],
    ['30 February', tag.utcTime, '260230000000Z'],
    ['a leap second', tag.utcTime, '261231235960Z'],
    ['hour 24', tag.utcTime, '260101240000Z'],
    ['month 0', tag.utcTime, '260001000000Z'],
    ['a letter', tag.utcTime, '2601010000a0Z'],
    ['a GeneralizedTime before 2050', tag.generalizedTime, '20491231235959Z'],
    ['a year 0', tag.generalizedTime, '00000101000000Z'],
  ])('refuse to read %s', (_, identifier, text) => {
    expect(() => readTime(DerReader.over(derAscii(identifier, text)))).toThrow(MayflyError)
  })
})
