import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Protobuf from 'protobufjs'

import { descriptors } from '../proto/generated/descriptors.ts'

const protobuf = createRequire(import.meta.url)('protobufjs/light.js') as typeof Protobuf // the package's own types

/**
 * Writes, for each service, the code that protobufjs would generate with the first message: a file `<service>.cjs`, which exports a function of
 * `protobufjs/minimal` that gives the codecs of its messages by the names that its methods have for them. A process that finds them loads a quarter
 * of protobufjs and compiles nothing at run time, 30 ms of each start.
 */
export function writeCodecs(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const [service, text] of Object.entries(descriptors)) writeFileSync(join(folder, `${service}.cjs`), codecsModule(service, text))
}

function codecsModule(service: string, descriptor: string): string {
  const root = protobuf.Root.fromJSON(JSON.parse(descriptor) as Protobuf.INamespace).resolveAll() // our own generator wrote it
  const types = typesBelow(root)
  const { parent, methodsArray } = root.lookupService(service)
  const places = new Map(types.map((type, at) => [type, `t[${at}]`]))
  const placeOf = (resolved: Protobuf.ReflectionObject | null): string => {
    if (resolved instanceof protobuf.Enum) return JSON.stringify({ values: { ...resolved.valuesById, ...resolved.values } })
    return resolved === null ? 'null' : (places.get(resolved as Protobuf.Type) ?? 'null') // a field's type is a message, an enum or neither
  }
  const names = new Set(methodsArray.flatMap(({ requestType, responseType }) => [requestType, responseType]))
  const lines = [
    '// Made by tools/codecs.ts.',
    "'use strict'",
    'module.exports = ({ Reader, Writer, util }) => {',
    `const t = Array.from({ length: ${types.length} }, () => ({}))`,
    ...types.map((type, at) => `{ const types = [${type.fieldsArray.map(({ resolvedType }) => placeOf(resolvedType)).join(', ')}]\nObject.assign(t[${at}], { ${functionsOf(type).join(',\n')} }) }`),
    `return { ${[...names].map((name) => `${JSON.stringify(name)}: ${placeOf((parent ?? root).lookupType(name))}`).join(', ')} }`,
    '}',
  ]
  return `${lines.join('\n')}\n`
}

function functionsOf(type: Protobuf.Type): readonly string[] {
  const { encoder, decoder, converter, Type } = protobuf
  const written = { ctor: Type.generateConstructor(type), encode: encoder(type), decode: decoder(type), fromObject: converter.fromObject(type), toObject: converter.toObject(type) }
  return Object.entries(written).map(([name, code]) => `${name}: ${code.toString()}`)
}

function typesBelow(namespace: Protobuf.NamespaceBase): readonly Protobuf.Type[] {
  return namespace.nestedArray.flatMap((object) => {
    const below = object instanceof protobuf.Namespace ? typesBelow(object) : []
    return object instanceof protobuf.Type ? [object, ...below] : below
  })
}
