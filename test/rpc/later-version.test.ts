import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import fc from 'fast-check'
import type * as Protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'

import { methodsOf, type ServiceName } from '../../src/rpc/services.ts'

const protobuf = createRequire(import.meta.url)('protobufjs') as typeof Protobuf // the package's own types
const protos = join(import.meta.dirname, '../../proto')

/** What servers, agents and verifiers of two versions say to each other. */
const spoken: readonly ServiceName[] = ['mayfly.v1.Sync', 'mayfly.v1.RevocationStream', 'mayfly.v1.GrantControl', 'mayfly.v1.Crls', 'mayfly.v1.Verifiers', 'mayfly.v1.Relays', 'spire.api.server.svid.v1.SVID', 'spire.api.server.agent.v1.Agent', 'spire.api.server.entry.v1.Entry']

const laterField = 1_900
const now = loaded()
const later = loaded()
for (const type of typesOf(later)) type.add(new protobuf.Field('later_text', laterField, 'string')).add(new protobuf.Field('later_list', laterField + 1, 'fixed64', 'repeated'))
later.resolveAll()

describe.each(spoken)('%s of a later version', (service) => {
  for (const [name, method] of methodsOf(service)) {
    for (const side of ['request', 'response'] as const) {
      test(`${name}: fields that this one does not know, anywhere in a ${side}, change nothing of what it does`, () => {
        const found = now.lookupService(service).methods[name]
        const typeName = (side === 'request' ? found?.resolvedRequestType : found?.resolvedResponseType)?.fullName ?? ''
        const read = (bytes: Uint8Array): unknown => (side === 'request' ? method.requestDeserialize : method.responseDeserialize)(Buffer.from(bytes))
        fc.assert(
          fc.property(message(later.lookupType(typeName), 4), (value) => {
            const plain = later.lookupType(typeName).encode(without(value)).finish()
            expect(read(later.lookupType(typeName).encode(value).finish())).toEqual(read(plain))
          }),
          { numRuns: 20 },
        )
      })
    }
  }
})

test('a kind of message that this version does not know is read as none, and a word of an enumeration as its number', () => {
  const connect = methodsOf('mayfly.v1.Sync').get('Connect')
  const unknownKind = new protobuf.Writer().uint32((laterField << 3) | 2).string('anything').finish()
  expect(connect?.responseDeserialize(Buffer.from(unknownKind))).toEqual({})
  expect(connect?.requestDeserialize(Buffer.from(unknownKind))).toEqual({})
})

function loaded(): Protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => (protobuf.common.get(target) === null ? join(protos, target) : target)
  const files = readdirSync(protos, { recursive: true, encoding: 'utf8' }).filter((file) => /^(mayfly|spire).*\.proto$/.test(file))
  root.loadSync(files)
  root.resolveAll()
  return root
}

function typesOf(namespace: Protobuf.NamespaceBase): readonly Protobuf.Type[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested.fullName.startsWith('.google')) return []
    if (nested instanceof protobuf.Type) return [nested, ...typesOf(nested)]
    return nested instanceof protobuf.Namespace ? typesOf(nested) : []
  })
}

/** Messages of a type, with what is later filled in at every depth. */
function message(type: Protobuf.Type, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const members = type.oneofsArray.filter((oneof) => !oneof.isProto3Optional)
  const alone = type.fieldsArray.filter((field) => field.partOf === null || field.partOf.isProto3Optional)
  const record = fc.record(Object.fromEntries(alone.map((field) => [field.name, field.name.startsWith('later') ? value(field, depth) : fc.option(value(field, depth), { nil: undefined })])))
  const oneOfEach = members.map((oneof) => fc.oneof(...oneof.fieldsArray.map((field) => value(field, depth).map((given) => ({ [field.name]: given })))))
  return fc.tuple(record, ...oneOfEach).map((parts) => stripped(Object.assign({}, ...parts) as Record<string, unknown>)) // each part is a record
}

function value(field: Protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const one = single(field, depth)
  if (field instanceof protobuf.MapField) return fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), one, { maxKeys: 2 })
  return field.repeated ? fc.array(one, { maxLength: 2 }) : one
}

function single({ resolvedType, type }: Protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  if (resolvedType instanceof protobuf.Enum) return fc.constantFrom(...Object.values(resolvedType.values))
  if (resolvedType instanceof protobuf.Type) return depth === 0 ? fc.constant({}) : message(resolvedType, depth - 1)
  switch (type) {
    case 'string':
      return fc.string({ maxLength: 8 })
    case 'bytes':
      return fc.uint8Array({ maxLength: 8 })
    case 'bool':
      return fc.boolean()
    case 'double':
    case 'float':
      return fc.float({ noNaN: true })
    default:
      return fc.nat(1_000)
  }
}

/** The same without what is later. */
function without(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !name.startsWith('later')).map(([name, held]) => [name, Array.isArray(held) ? held.map(inner) : inner(held)]))
}

function inner(held: unknown): unknown {
  return typeof held === 'object' && held !== null && !(held instanceof Uint8Array) ? without(held as Record<string, unknown>) : held // plain objects are messages and maps
}

function stripped(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined))
}
