import { createRequire } from 'node:module'
import type * as Protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { latch, startRpc } from '../support/rpc/harness.ts'
import type { ServerReflectionResponse__Output } from '../../proto/generated/grpc/reflection/v1/ServerReflectionResponse.ts'
import type { ServerReflectionRequest } from '../../proto/generated/grpc/reflection/v1/ServerReflectionRequest.ts'

const require = createRequire(import.meta.url)
const protobuf = require('protobufjs') as typeof Protobuf // the package's own types
const { FileDescriptorSet } = require('protobufjs/ext/descriptor') as { readonly FileDescriptorSet: { create(set: object): Protobuf.Message } } // untyped

describe('health', () => {
  test('every service served is SERVING, an unknown one NOT_FOUND, and Watch tells of changes', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', {})
    const rpc = channel()
    for (const service of ['', 'mayfly.v1.Status']) expect(await rpc.unary('grpc.health.v1.Health', 'Check', { service })).toEqual({ status: 'SERVING' })
    await expect(rpc.unary('grpc.health.v1.Health', 'Check', { service: 'x' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const watch = rpc.serverStream('grpc.health.v1.Health', 'Watch', { service: 'mayfly.v1.Status' })
    expect((await watch.next()).value).toEqual({ status: 'SERVING' })
    server.health.set('mayfly.v1.Status', 'NOT_SERVING')
    expect((await watch.next()).value).toEqual({ status: 'NOT_SERVING' })
    await watch.return()
    const unknown = rpc.serverStream('grpc.health.v1.Health', 'Watch', { service: 'later' })
    expect((await unknown.next()).value).toEqual({ status: 'SERVICE_UNKNOWN' })
    server.health.set('later', 'SERVING')
    expect((await unknown.next()).value).toEqual({ status: 'SERVING' })
    await unknown.return()
  })
})

describe('EP-17 reflection', () => {
  test('names what is served and nothing else, with descriptors that a client can build on', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('SpiffeWorkloadAPI', {})
    server.add('mayfly.v1.Registry', {})
    const done = latch()
    async function* questions(): AsyncGenerator<ServerReflectionRequest> {
      yield { listServices: '' }
      yield { fileContainingSymbol: 'mayfly.v1.Registry.CreateEntries' }
      yield { fileContainingSymbol: 'X509SVIDResponse' }
      yield { fileContainingSymbol: 'mayfly.v1.Sync' }
      yield { fileByFilename: 'nowhere.proto' }
      yield { fileContainingExtension: { containingType: 'x', extensionNumber: 1 } }
      yield {}
      await done.promise
    }
    const answers = channel().bidi('grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo', questions())
    const next = async (): Promise<ServerReflectionResponse__Output> => {
      const answer = await answers.next()
      if (answer.done === true) throw new Error('no answer')
      return answer.value
    }
    expect((await next()).listServicesResponse?.service.map(({ name }) => name).sort()).toEqual(['SpiffeWorkloadAPI', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'mayfly.v1.Registry'])
    const registry = rootOf((await next()).fileDescriptorResponse?.fileDescriptorProto)
    expect(Object.keys(registry.lookupService('mayfly.v1.Registry').methods).sort()).toEqual(['CountEntries', 'CreateEntries', 'GetEntry', 'ListEntries', 'UpdateEntries'])
    expect(registry.lookupType('spire.api.types.Entry').fields['spiffeId']?.id).toBe(2)
    expect(Object.keys(rootOf((await next()).fileDescriptorResponse?.fileDescriptorProto).lookupService('SpiffeWorkloadAPI').methods)).toContain('FetchX509SVID')
    for (let unknown = 0; unknown < 3; unknown++) expect((await next()).errorResponse?.errorCode).toBe(5)
    expect((await next()).errorResponse?.errorCode).toBe(3)
    done.resolve()
    expect((await answers.next()).done).toBe(true)
  })
})

/** The descriptors as a client would load them. */
function rootOf(files: readonly Buffer[] | undefined): Protobuf.Root {
  const { FileDescriptorProto } = require('protobufjs/ext/descriptor') as { readonly FileDescriptorProto: { decode(bytes: Buffer): object } } // untyped
  const root = (protobuf.Root as unknown as { fromDescriptor(set: Protobuf.Message): Protobuf.Root }).fromDescriptor(FileDescriptorSet.create({ file: (files ?? []).map((file) => FileDescriptorProto.decode(file)) })) // the extension adds it
  root.resolveAll()
  return root
}
