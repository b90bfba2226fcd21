import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runsOf } from '../../../server/store/sqlite/serial-runs.ts'
import { formatSerial, type Serial } from '../../../src/core/serial.ts'

/** Of few buckets and indices, so that many follow one another; one serial an index, as the store gives them out. */
const serials = fc.uniqueArray(
  fc.record({ shard: fc.constantFrom(1, 2), minute: fc.constantFrom(7, 8, 0xffff_ffff), index: fc.oneof(fc.nat(12), fc.constantFrom(0xff, 0x100, 0xffff_fffe, 0xffff_ffff)) }),
  { selector: ({ shard, minute, index }) => `${shard} ${minute} ${index}`, maxLength: 60 },
)

const placeOf = (serial: string): string => serial.slice(0, 18)
const textOf = (place: Omit<Serial, 'random'>, random: Uint8Array): string => formatSerial({ ...place, random })

test('runs hold the serials that were given and no other place of a bucket', () => {
  fc.assert(
    fc.property(serials, serials, fc.uint8Array({ minLength: 8, maxLength: 8 }), (given, others, random) => {
      const texts = given.map((place) => textOf(place, random))
      const runs = runsOf(texts)
      const isIn = (text: string): boolean => runs.some(({ first, last }) => text >= first && text <= last)
      for (const text of texts) expect(isIn(text)).toBe(true)
      const places = new Set(texts.map(placeOf))
      for (const other of others.map((place) => textOf(place, new Uint8Array(8).fill(0x80)))) if (!places.has(placeOf(other))) expect(isIn(other)).toBe(false)
    }),
  )
})

test('a batch as it is given out is one run, whatever its order', () => {
  const batch = Array.from({ length: 300 }, (_, index) => textOf({ shard: 1, minute: 9, index }, Uint8Array.from({ length: 8 }, (_byte, at) => (index * 31 + at * 7) % 256)))
  expect(runsOf(batch)).toHaveLength(1)
  expect(runsOf(batch.toReversed())).toEqual(runsOf(batch))
  expect(runsOf(batch.filter((_, at) => at !== 100))).toHaveLength(2)
  expect(runsOf([])).toEqual([])
})
