import { createRequire } from 'node:module'
import type * as Protobuf from 'protobufjs'

const protobuf = createRequire(import.meta.url)('protobufjs') as typeof Protobuf // the package's own types

/** What counts on the wire of .proto files, a line for each field, enum value and method, sorted. */
export function wireTable(folder: string, files: readonly string[]): string[] {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => (protobuf.common.get(target) === null ? `${folder}/${target}` : target)
  root.loadSync([...files], { keepCase: true })
  root.resolveAll()
  return linesOf(root).filter((line) => !line.includes(' google.protobuf.')).sort()
}

function linesOf(object: Protobuf.ReflectionObject): string[] {
  const nested = object instanceof protobuf.Namespace ? object.nestedArray.flatMap(linesOf) : []
  const name = object.fullName.slice(1)
  if (object instanceof protobuf.Type) return [...nested, `message ${name}`, ...object.fieldsArray.map((field) => `field ${name}.${field.name} ${field.id} ${typeOf(field)}${inOneof(field)}`)]
  if (object instanceof protobuf.Enum) return [...nested, ...Object.entries(object.values).map(([key, value]) => `value ${name}.${key} ${value}`)]
  if (object instanceof protobuf.Service) return [...nested, ...object.methodsArray.map((method) => `method /${name}/${method.name} ${stream(method.requestStream)}${fullName(method.resolvedRequestType)} ${stream(method.responseStream)}${fullName(method.resolvedResponseType)}`)]
  return nested
}

function typeOf(field: Protobuf.Field): string {
  const type = field.resolvedType === null ? field.type : fullName(field.resolvedType)
  if (field instanceof protobuf.MapField) return `map<${field.keyType},${type}>`
  return field.repeated ? `repeated ${type}` : type
}

function inOneof(field: Protobuf.Field): string {
  return field.partOf === null ? '' : ` oneof ${field.partOf.name}`
}

function stream(flag: boolean | undefined): string {
  return flag === true ? 'stream ' : ''
}

function fullName(object: Protobuf.ReflectionObject | null): string {
  return object === null ? '?' : object.fullName.slice(1)
}
