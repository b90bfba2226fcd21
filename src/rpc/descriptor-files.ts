import { createRequire } from 'node:module'
import type * as Protobuf from 'protobufjs'
import { descriptors } from '../../proto/generated/descriptors.ts'
import type { ServiceName } from './services.ts'

/** A package as one descriptor file, which is enough for reflection: names and numbers are those of the .proto files. */
export interface DescribedFile {
  readonly name: string
  /** Serialized google.protobuf.FileDescriptorProto. */
  readonly bytes: Uint8Array
  /** Names of the files it imports. */
  readonly needs: readonly string[]
  /** Full names of the services, methods, messages and enums in it. */
  readonly symbols: ReadonlySet<string>
}

/** The packages of the services, and those they need, in no order. */
export function describeFiles(services: readonly ServiceName[]): readonly DescribedFile[] {
  const { Root } = require('protobufjs/light.js') as typeof Protobuf // the package's own types
  const { FileDescriptorProto } = require('protobufjs/ext/descriptor') as DescriptorExtension // untyped; the part used here
  const json = services.map((service) => JSON.parse(descriptors[service]) as JsonObject).reduce(merged, {}) // our own generator wrote it
  const root = Root.fromJSON(json).resolveAll() as unknown as Describable // the extension, loaded above, adds the method
  const files = root.toDescriptor('proto3').file
  const homes = new Map(files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file.name] as const)))
  return files.map((file) => {
    const needs = [...new Set(typesUsed(file).map((type) => homes.get(type.replace(/^\./, ''))))].filter((name) => name !== undefined && name !== file.name)
    return { name: file.name, needs: needs as string[], symbols: new Set(symbolsOf(file)), bytes: FileDescriptorProto.encode({ ...file, dependency: needs }).finish() } // undefined is filtered out
  })
}

const require = createRequire(import.meta.url)

type JsonObject = { [key: string]: unknown }

interface DescriptorExtension {
  readonly FileDescriptorProto: { encode(file: object): { finish(): Uint8Array } }
}

interface Describable {
  toDescriptor(edition: string): { readonly file: readonly FileProto[] }
}

interface FileProto {
  readonly name: string
  readonly package?: string
  readonly messageType: readonly MessageProto[]
  readonly enumType: readonly { readonly name: string }[]
  readonly service: readonly { readonly name: string; readonly method: readonly { readonly name: string; readonly inputType: string; readonly outputType: string }[] }[]
}

interface MessageProto {
  readonly name: string
  readonly field: readonly { readonly typeName?: string }[]
  readonly nestedType: readonly MessageProto[]
  readonly enumType: readonly { readonly name: string }[]
}

function symbolsOf(file: FileProto): string[] {
  const prefix = file.package === undefined || file.package === '' ? '' : `${file.package}.`
  const inMessage = (scope: string, message: MessageProto): string[] => {
    const name = `${scope}${message.name}`
    return [name, ...message.enumType.map((type) => `${name}.${type.name}`), ...message.nestedType.flatMap((nested) => inMessage(`${name}.`, nested))]
  }
  return [
    ...file.messageType.flatMap((message) => inMessage(prefix, message)),
    ...file.enumType.map((type) => prefix + type.name),
    ...file.service.flatMap((service) => [prefix + service.name, ...service.method.map((method) => `${prefix}${service.name}.${method.name}`)]),
  ]
}

function typesUsed(file: FileProto): string[] {
  const inMessage = (message: MessageProto): string[] => [...message.field.flatMap((field) => field.typeName ?? []), ...message.nestedType.flatMap(inMessage)]
  return [...file.messageType.flatMap(inMessage), ...file.service.flatMap((service) => service.method.flatMap((method) => [method.inputType, method.outputType]))]
}

/** Two descriptors as one; what both have is the same in both. */
function merged(left: JsonObject, right: JsonObject): JsonObject {
  const result = { ...left }
  for (const [key, value] of Object.entries(right)) {
    const there = result[key]
    result[key] = isObject(there) && isObject(value) ? merged(there, value) : value
  }
  return result
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
