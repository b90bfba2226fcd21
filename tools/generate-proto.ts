/**
 * Makes `proto/generated` from the .proto files: message types (proto-loader-gen-types), `services.ts`, which names each
 * method's kind and types, and `descriptors.ts`, which holds each service as protobufjs JSON so that nothing is parsed at start.
 * Run: `node tools/generate-proto.ts [folder]`. `test/proto/generated.test.ts` holds that the checked-in files are current.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { argv, execPath } from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The .proto files that hold services; what they import comes with them. */
const serviceFiles: readonly string[] = [
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'mayfly/v1/admin.proto',
  'mayfly/v1/agent.proto',
  'mayfly/v1/authorities.proto',
  'mayfly/v1/crls.proto',
  'mayfly/v1/backups.proto',
  'mayfly/v1/leaks.proto',
  'mayfly/v1/registry.proto',
  'mayfly/v1/relay.proto',
  'mayfly/v1/settings.proto',
  'mayfly/v1/stream.proto',
  'mayfly/v1/sync.proto',
  'mayfly/v1/verifier.proto',
  'spire/api/agent/debug/v1/debug.proto',
  'spire/api/agent/delegatedidentity/v1/delegatedidentity.proto',
  'spire/api/server/agent/v1/agent.proto',
  'spire/api/server/bundle/v1/bundle.proto',
  'spire/api/server/debug/v1/debug.proto',
  'spire/api/server/entry/v1/entry.proto',
  'spire/api/server/localauthority/v1/localauthority.proto',
  'spire/api/server/logger/v1/logger.proto',
  'spire/api/server/svid/v1/svid.proto',
  'spire/api/server/trustdomain/v1/trustdomain.proto',
  'workload.proto',
]

// protobufjs, as proto-loader itself finds it; only the part that is used here is typed.
interface ReflectionObject { readonly name: string; readonly fullName: string; readonly filename: string | null }
interface Namespace extends ReflectionObject { readonly nestedArray: readonly ReflectionObject[] }
interface Type extends Namespace { readonly fieldsArray: readonly { readonly resolvedType: ReflectionObject | null }[]; toJSON(): object }
interface Method { readonly name: string; readonly requestStream?: boolean; readonly responseStream?: boolean; readonly resolvedRequestType: Type; readonly resolvedResponseType: Type }
interface Service extends Namespace { readonly methodsArray: readonly Method[]; toJSON(): object }
interface Root extends Namespace { resolvePath(origin: string, target: string): string | null; loadSync(files: readonly string[], options: object): Root; resolveAll(): Root }
interface Protobuf { Root: new () => Root; Type: new () => Type; Service: new () => Service; Enum: new () => ReflectionObject & { toJSON(): object }; common: { get(file: string): object | null } }

const require = createRequire(createRequire(import.meta.url).resolve('@grpc/proto-loader'))
const protobuf = require('protobufjs') as Protobuf // an untyped require of a typed subset, see above

/** Writes the whole folder anew, once the .proto files have been read: one that is wrong takes nothing away. */
export function generateProto(folder: string): void {
  const loaded = loadRoot()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const cli = join(dirname(require.resolve('@grpc/proto-loader')), '../bin/proto-loader-gen-types.js')
  execFileSync(execPath, [cli, '--longs=Number', '--enums=String', '--defaults', '--oneofs', '--importFileExtension=.ts', '-I', 'proto', '-O', resolve(folder), ...serviceFiles], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })

  const services = collect(loaded, (object): object is Service => object instanceof protobuf.Service).sort((left, right) => (left.fullName < right.fullName ? -1 : 1))
  removeServiceFiles(folder, services)
  writeFileSync(join(folder, 'services.ts'), servicesModule(services))
  writeFileSync(join(folder, 'descriptors.ts'), descriptorsModule(services))
}

function loadRoot(): Root {
  const proto = new protobuf.Root()
  proto.resolvePath = (_origin, target) => (protobuf.common.get(target) === null ? join(root, 'proto', target) : target)
  return proto.loadSync(serviceFiles, { keepCase: false }).resolveAll()
}

function collect<T extends ReflectionObject>(from: ReflectionObject, wanted: (object: ReflectionObject) => object is T): T[] {
  const nested = 'nestedArray' in from ? (from as Namespace).nestedArray.flatMap((object) => collect(object, wanted)) : [] // the property is the namespace's
  return wanted(from) ? [from, ...nested] : nested
}

/** The generator's own service and loader files say less than `services.ts` and are not used. */
function removeServiceFiles(folder: string, services: readonly Service[]): void {
  for (const service of services) rmSync(join(folder, `${pathOf(service)}.ts`))
  for (const file of serviceFiles) rmSync(join(folder, file.replace(/^.*\//, '').replace(/\.proto$/, '.ts')), { force: true })
}

function servicesModule(services: readonly Service[]): string {
  const types = new Set<Type>()
  const blocks = services.map((service) => {
    const methods = service.methodsArray.map((method) => {
      types.add(method.resolvedRequestType).add(method.resolvedResponseType)
      const [request, response] = [aliasOf(method.resolvedRequestType), aliasOf(method.resolvedResponseType)]
      return `    readonly ${method.name}: { readonly kind: '${kindOf(method)}'; readonly request: ${request}; readonly requestOutput: ${request}__Output; readonly response: ${response}; readonly responseOutput: ${response}__Output }\n`
    })
    return `  readonly '${nameOf(service)}': {\n${methods.join('')}  }\n`
  })
  const imports = [...types].sort((left, right) => (left.fullName < right.fullName ? -1 : 1)).map((type) => {
    const alias = aliasOf(type)
    return `import type { ${type.name} as ${alias}, ${type.name}__Output as ${alias}__Output } from './${pathOf(type)}.ts'\n`
  })
  return `// Made by tools/generate-proto.ts.\n${imports.join('')}\n/** Every service by its full name: the kind of each method, what a caller may write and what a reader gets. */\nexport interface Services {\n${blocks.join('')}}\n`
}

function descriptorsModule(services: readonly Service[]): string {
  const lines = services.map((service) => `  '${nameOf(service)}': '${JSON.stringify(descriptorOf(service)).replaceAll(/['\\]/g, '\\$&')}',\n`)
  return `// Made by tools/generate-proto.ts.\n/** Each service with the messages it needs, as protobufjs JSON text. */\nexport const descriptors = {\n${lines.join('')}} as const\n`
}

/** The service and the messages it reaches, and nothing else, as protobufjs Root JSON. */
function descriptorOf(service: Service): object {
  const json: JsonNamespace = {}
  place(json, service, service.toJSON())
  const pending = service.methodsArray.flatMap((method): ReflectionObject[] => [method.resolvedRequestType, method.resolvedResponseType])
  const seen = new Set<ReflectionObject>()
  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    const top = outermost(object)
    if (seen.has(top)) continue
    seen.add(top)
    place(json, top, (top as Type).toJSON()) // a type or an enum: both have it
    for (const type of collect(top, (nested): nested is Type => nested instanceof protobuf.Type)) {
      for (const field of type.fieldsArray) if (field.resolvedType !== null) pending.push(field.resolvedType)
    }
  }
  return sorted(json)
}

interface JsonNamespace { nested?: Record<string, JsonNamespace> }

function place(json: JsonNamespace, object: ReflectionObject, content: object): void {
  let at = json
  for (const part of nameOf(object).split('.').slice(0, -1)) at = (at.nested ??= {})[part] ??= {}
  ;(at.nested ??= {})[object.name] = content
}

function outermost(object: ReflectionObject): ReflectionObject {
  const parent = (object as { parent?: ReflectionObject }).parent // every reflection object but the root has one
  return parent instanceof protobuf.Type ? outermost(parent) : object
}

function sorted(json: JsonNamespace): JsonNamespace {
  if (json.nested === undefined) return json
  const nested = Object.entries(json.nested).sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, inner]) => [name, sorted(inner)] as const)
  return { ...json, nested: Object.fromEntries(nested) }
}

function kindOf(method: Method): string {
  if (method.requestStream === true) return method.responseStream === true ? 'bidi' : 'clientStream'
  return method.responseStream === true ? 'serverStream' : 'unary'
}

function nameOf(object: ReflectionObject): string {
  return object.fullName.slice(1)
}

function pathOf(object: ReflectionObject): string {
  return nameOf(object).replaceAll('.', '/')
}

function aliasOf(object: ReflectionObject): string {
  return nameOf(object).replaceAll('.', '_')
}

if (argv[1] !== undefined && resolve(argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = resolve(argv[2] ?? join(root, 'proto/generated'))
  generateProto(folder)
  console.log(`wrote ${relative('.', folder)}`)
}
