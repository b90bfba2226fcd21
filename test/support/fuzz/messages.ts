import { createRequire } from 'node:module'
import fc from 'fast-check'
import type * as Protobuf from 'protobufjs'
import { descriptors } from '../../../proto/generated/descriptors.ts'
import { concatBytes } from '../../../src/core/bytes.ts'
import type { ServiceName } from '../../../src/rpc/services.ts'
import { byteEdits, editBytes } from './der.ts'
import type { Form } from './fuzz.ts'

const protobuf = createRequire(import.meta.url)('protobufjs/light.js') as typeof Protobuf // the package's own types

/** A method and the bytes sent as its messages. */
export interface RawCall {
  readonly method: string
  readonly messages: readonly Uint8Array[]
}

/** First line the method, then a message a line. */
export const rawCallForm: Form<RawCall> = {
  suffix: 'hex',
  encode: ({ method, messages }) => [method, ...messages.map((message) => Buffer.from(message).toString('hex'))].join('\n'),
  decode: (text) => {
    const [method = '', ...lines] = text.split('\n')
    return { method, messages: lines.map((line) => new Uint8Array(Buffer.from(line, 'hex'))) }
  },
}

/** Calls to every method of the services: messages of their type with hostile values, changed below the level of fields or not, and bytes that are none. */
export function callsOf(services: readonly ServiceName[], words: readonly string[], blobs: readonly Uint8Array[], leaveOut: (method: string) => boolean = () => false): fc.Arbitrary<RawCall> {
  const methods = services.flatMap((service) => {
    const root = protobuf.Root.fromJSON(JSON.parse(descriptors[service]) as Protobuf.INamespace) // our own generator wrote it
    root.resolveAll()
    const found = root.lookupService(service)
    return found.methodsArray.map((method) => ({ path: `/${service}/${method.name}`, type: method.resolvedRequestType ?? found.lookupType(method.requestType) }))
  })
  const kept = methods.filter(({ path }) => !leaveOut(path))
  const calls = kept.map(({ path, type }) => {
    const wellFormed = messageOf(type, words, blobs, 0)
    const message = fc.oneof(
      { arbitrary: wellFormed, weight: 6 },
      { arbitrary: fc.tuple(wellFormed, byteEdits).map(([bytes, edits]) => editBytes(bytes, edits)), weight: 3 },
      fc.uint8Array({ maxLength: 60 }),
    )
    return fc.record({ method: fc.constant(path), messages: fc.array(message, { minLength: 1, maxLength: 2 }) })
  })
  return fc.oneof(...calls)
}

/** Fields of a message at each depth. */
const mostFields = [8, 5, 3, 2, 2]
const maxDepth = mostFields.length - 1

function messageOf(type: Protobuf.Type, words: readonly string[], blobs: readonly Uint8Array[], depth: number): fc.Arbitrary<Uint8Array> {
  const fields = type.fieldsArray.map((field) => fieldOf(field, words, blobs, depth))
  const unknown = fc.tuple(fc.integer({ min: 1, max: 536_870_911 }), fc.uint8Array({ maxLength: 8 })).map(([id, bytes]) => concatBytes(varint(BigInt(id) * 8n + 2n), varint(BigInt(bytes.length)), bytes))
  const one = fields.length === 0 ? unknown : fc.oneof({ arbitrary: fc.oneof(...fields), weight: 12 }, unknown)
  return fc.array(one, { maxLength: mostFields[depth] ?? 1, size: 'max' }).map((parts) => concatBytes(...parts))
}

function fieldOf(field: Protobuf.Field, words: readonly string[], blobs: readonly Uint8Array[], depth: number): fc.Arbitrary<Uint8Array> {
  const key = (wire: number): Uint8Array => varint(BigInt(field.id) * 8n + BigInt(wire))
  const delimited = (content: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> => content.map((bytes) => concatBytes(key(2), varint(BigInt(bytes.length)), bytes))
  const resolved = field.resolvedType
  if (resolved instanceof protobuf.Type) {
    return depth >= maxDepth ? fc.constant(concatBytes(key(2), varint(0n))) : delimited(messageOf(resolved, words, blobs, depth + 1))
  }
  const text = fc.oneof({ arbitrary: fc.constantFrom(...words), weight: 6 }, fc.string({ maxLength: 8 }), fc.string({ maxLength: 4, unit: 'binary' }))
  switch (field.type) {
    case 'string':
      return delimited(fc.oneof({ arbitrary: text.map((word) => new TextEncoder().encode(word)), weight: 9 }, fc.uint8Array({ maxLength: 6 })))
    case 'bytes':
      return delimited(fc.oneof({ arbitrary: fc.constantFrom(...blobs), weight: 4 }, fc.uint8Array({ maxLength: 40 })))
    case 'double':
    case 'fixed64':
    case 'sfixed64':
      return fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => concatBytes(key(1), bytes))
    case 'float':
    case 'fixed32':
    case 'sfixed32':
      return fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => concatBytes(key(5), bytes))
    default:
      return fc.oneof(fc.constantFrom(0n, 1n, 2n, 3n, 60n, 600n, 3_600n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map((value) => concatBytes(key(0), varint(value)))
  }
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}
