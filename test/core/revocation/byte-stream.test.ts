import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader, ByteWriter } from '../../../src/core/revocation/byte-stream.ts'

const field = fc.oneof(
  fc.tuple(fc.constant('u8' as const), fc.integer({ min: 0, max: 0xff })),
  fc.tuple(fc.constant('u16' as const), fc.integer({ min: 0, max: 0xffff })),
  fc.tuple(fc.constant('u32' as const), fc.integer({ min: 0, max: 0xffff_ffff })),
  fc.tuple(fc.constant('u64' as const), fc.maxSafeNat()),
)

test('fields read back as they were written, wherever the buffer has to grow', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 60 }), fc.nat({ max: 70 }), (fields, capacity) => {
      const writer = new ByteWriter(capacity)
      for (const [kind, value] of fields) writer[kind](value)
      const reader = new ByteReader(writer.finish())
      expect(fields.map(([kind]) => reader[kind]())).toEqual(fields.map(([, value]) => value))
      expect(reader.ok && reader.atEnd).toBe(true)
    }),
  )
})
