import type { MethodDefinition } from '@grpc/grpc-js'
import { descriptors } from '../../proto/generated/descriptors.ts'
import type { Services } from '../../proto/generated/services.ts'
import { MayflyError } from '../core/errors.ts'
import { codecsOf } from './codecs.ts'
import type { Codecs } from './codecs.ts'
import { secretCopiesOf } from './secret.ts'
import { writtenBytesOf } from './written.ts'

/** Full name of a service, such as `mayfly.v1.Sync`. */
export type ServiceName = keyof Services
export type MethodName<S extends ServiceName> = keyof Services[S] & string

type Part<S extends ServiceName, M extends MethodName<S>, P extends string> = Services[S][M] extends { readonly [key in P]: infer T } ? T : never
export type KindOf<S extends ServiceName, M extends MethodName<S>> = Part<S, M, 'kind'>
/** What a caller may write: every field may be left out. */
export type Request<S extends ServiceName, M extends MethodName<S>> = Part<S, M, 'request'>
/** What a handler reads: every field is there. */
export type RequestOutput<S extends ServiceName, M extends MethodName<S>> = Part<S, M, 'requestOutput'>
export type Response<S extends ServiceName, M extends MethodName<S>> = Part<S, M, 'response'>
export type ResponseOutput<S extends ServiceName, M extends MethodName<S>> = Part<S, M, 'responseOutput'>
/** The methods of one kind. */
export type MethodsOfKind<S extends ServiceName, K extends 'unary' | 'serverStream' | 'bidi'> = { [M in MethodName<S>]: KindOf<S, M> extends K ? M : never }[MethodName<S>]

/** A method as grpc-js wants it. */
export type RpcMethod = MethodDefinition<object, object>

/** The methods of a service by name. Nothing is parsed before the first message is read or written: that is a third of a server's start. */
export function methodsOf(service: ServiceName): ReadonlyMap<string, RpcMethod> {
  let methods = known.get(service)
  if (methods === undefined) known.set(service, (methods = build(service)))
  return methods
}

/** @throws {MayflyError} UNIMPLEMENTED when the service has no such method */
export function methodOf(service: ServiceName, name: string): RpcMethod {
  const method = methodsOf(service).get(name)
  if (method === undefined) throw new MayflyError('UNIMPLEMENTED', `no method ${name} in ${service}`)
  return method
}

const known = new Map<ServiceName, ReadonlyMap<string, RpcMethod>>()

/** How messages look in this code base: camelCase, 64-bit numbers as Number, enums by name, defaults filled in, bytes as Buffer. */
const shape = { longs: Number, enums: String, defaults: true, oneofs: true, bytes: Buffer }

interface Descriptor {
  readonly nested?: Readonly<Record<string, Descriptor>>
  readonly methods?: Readonly<Record<string, { readonly requestType: string; readonly responseType: string; readonly requestStream?: boolean; readonly responseStream?: boolean }>>
}

function build(service: ServiceName): ReadonlyMap<string, RpcMethod> {
  const json = JSON.parse(descriptors[service]) as Descriptor // our own generator wrote it
  let at: Descriptor | undefined = json
  for (const part of service.split('.')) at = at?.nested?.[part]
  const codecs = lazily(() => codecsOf(service))
  const methods = new Map<string, RpcMethod>()
  for (const [name, method] of Object.entries(at?.methods ?? {})) {
    const request = codecOf(codecs, method.requestType)
    const response = codecOf(codecs, method.responseType)
    methods.set(name, {
      path: `/${service}/${name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
      requestSerialize: request.write,
      requestDeserialize: request.read,
      responseSerialize: response.write,
      responseDeserialize: response.read,
    })
  }
  return methods
}

interface Codec {
  readonly write: (value: object) => Buffer
  readonly read: (bytes: Buffer) => object
}

/** @param type as the descriptor names it, relative to the package of the service */
function codecOf(codecs: () => Codecs, type: string): Codec {
  const found = lazily(() => codecs()(type))
  return {
    // The writer of protobufjs is its Buffer writer under Node.
    write: (value) => {
      const encoded = writtenBytesOf(value) ?? (found().encode(found().fromObject(value)).finish() as Buffer)
      return secretCopiesOf(value)?.follow(encoded) ?? encoded
    },
    read: (bytes) => found().toObject(found().decode(bytes), shape),
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}
