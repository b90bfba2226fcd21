import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as Protobuf from 'protobufjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { descriptors } from '../../proto/generated/descriptors.ts'
import { builtCodecs, madeCodecs } from '../../src/rpc/codecs.ts'
import type { ServiceName } from '../../src/rpc/services.ts'
import { writeCodecs } from '../../tools/codecs.ts'

const protobuf = createRequire(import.meta.url)('protobufjs/light.js') as typeof Protobuf // the package's own types
const shape = { longs: Number, enums: String, defaults: true, oneofs: true, bytes: Buffer }

describe('codecs that the build writes down', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mf-codecs-'))
    writeCodecs(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each(Object.keys(descriptors) as ServiceName[])('write and read every message of %s as reflection does', (service) => {
    const root = protobuf.Root.fromJSON(JSON.parse(descriptors[service]) as Protobuf.INamespace).resolveAll() // as the generator wrote it
    const { parent, methodsArray } = root.lookupService(service)
    const [built, made] = [builtCodecs(join(folder, `${service}.cjs`)), madeCodecs(service)]
    for (const name of new Set(methodsArray.flatMap(({ requestType, responseType }) => [requestType, responseType]))) {
      const [left, right] = [built(name), made(name)]
      fc.assert(
        fc.property(messageOf((parent ?? root).lookupType(name), 4), (value) => {
          const bytes = right.encode(right.fromObject(value)).finish()
          expect(Buffer.from(left.encode(left.fromObject(value)).finish())).toEqual(Buffer.from(bytes))
          expect(left.toObject(left.decode(bytes), shape)).toEqual(right.toObject(right.decode(bytes), shape))
        }),
        { numRuns: 8 },
      )
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
          expect(outcomeOf(() => left.toObject(left.decode(bytes), shape))).toEqual(outcomeOf(() => right.toObject(right.decode(bytes), shape)))
        }),
        { numRuns: 15 },
      )
    }
  })
})

function outcomeOf(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return String(error)
  }
}

/** Messages as plain objects, with some of their fields. */
function messageOf(type: Protobuf.Type, depth: number): fc.Arbitrary<object> {
  const fields = type.fieldsArray.filter(({ resolvedType }) => depth > 0 || !(resolvedType instanceof protobuf.Type))
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, fieldOf(field, depth)])), { requiredKeys: [] })
}

function fieldOf(field: Protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const one = valueOf(field, depth)
  if (field.map) return fc.dictionary(fc.string({ maxLength: 5 }), one, { maxKeys: 2 })
  return field.repeated ? fc.array(one, { maxLength: 2 }) : one
}

function valueOf({ resolvedType, type }: Protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  if (resolvedType instanceof protobuf.Enum) return fc.constantFrom(...Object.keys(resolvedType.values))
  if (resolvedType instanceof protobuf.Type) return messageOf(resolvedType, depth - 1)
  if (type === 'string') return fc.string({ maxLength: 8 })
  if (type === 'bytes') return fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes))
  if (type === 'bool') return fc.boolean()
  if (type === 'double' || type === 'float') return fc.double({ noNaN: true })
  return type.startsWith('u') || type.startsWith('fixed') ? fc.nat() : fc.integer()
}
