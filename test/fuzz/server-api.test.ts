import { afterAll, beforeAll, expect } from 'vitest'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { fuzzCalls } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { callsOf, rawCallForm, type RawCall } from '../support/fuzz/messages.ts'
import { megabyte, residentBytes } from '../support/hostile/memory.ts'
import { grpcFrame, RawGrpc } from '../support/hostile/raw-grpc.ts'
import { Product } from '../support/product/product.ts'

const words = ['', 'example.org', '/web', '/spire/server', '/spire/agent/join_token/x', '/a/task/b', '/../x', 'spiffe://example.org/web', 'spiffe://other.example/x', 'unix', 'uid:0', 'unix:uid:0', 'uid', '1', 'join_token', 'x'.repeat(300), 'y'.repeat(3_000), '\0', '11b8f1e2-5b0a-4c53-9c0d-1a2b3c4d5e6f', '0'.repeat(34), 'example.org/web', 'eyJ4IjoxfQ', '__proto__', 'web.internal']
const blobs = [new Uint8Array(0), buildCsr(fixedKeys[0]), buildCsr(fixedKeys[1], { uris: ['spiffe://example.org/web'] }), buildCsr(fixedKeys[2]).subarray(0, 80), fixedKeys[3].spki, new TextEncoder().encode('11b8f1e2-5b0a-4c53-9c0d-1a2b3c4d5e6f')]
const services = ['spire.api.server.agent.v1.Agent', 'spire.api.server.bundle.v1.Bundle', 'spire.api.server.entry.v1.Entry', 'spire.api.server.svid.v1.SVID', 'mayfly.v1.Authorities', 'mayfly.v1.Leaks', 'spire.api.server.localauthority.v1.LocalAuthority', 'mayfly.v1.Registry', 'mayfly.v1.Revocations', 'mayfly.v1.RevocationStream', 'mayfly.v1.Status', 'mayfly.v1.Sync', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection'] as const
/** Streams without an end: that they began is the answer. */
const endless = new Set(['/mayfly.v1.RevocationStream/Watch', '/mayfly.v1.Status/WatchEvents', '/grpc.health.v1.Health/Watch'])

let product: Product
let admin: RawGrpc
let anonymous: RawGrpc
let startedAtBytes = 0

beforeAll(async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'] })
  admin = new RawGrpc({ path: product.adminSocket })
  anonymous = new RawGrpc({ address: product.address })
  await product.admin.unary('mayfly.v1.Status', 'Get', {})
  startedAtBytes = residentBytes(product.server.pid)
})

afterAll(async () => {
  admin[Symbol.dispose]()
  anonymous[Symbol.dispose]()
  await product[Symbol.asyncDispose]()
})

function framesOf({ messages }: RawCall): Uint8Array {
  return Buffer.concat(messages.map((message) => grpcFrame(message)))
}

async function stillServes(): Promise<void> {
  await product.admin.unary('mayfly.v1.Status', 'Get', {})
  expect(residentBytes(product.server.pid)).toBeLessThan(startedAtBytes + 300 * megabyte)
  expect(product.server.errors).not.toContain('rpc.failed')
}

fuzzCalls(
  'server-api',
  'whatever an administrator sends, each call is answered with a status that is not a defect of ours, and the server goes on',
  rawCallForm,
  callsOf(services, words, blobs),
  async (call) => {
    const answer = await admin.call(call.method, framesOf(call), endless.has(call.method) ? { enough: 'message', afterMs: 200 } : {})
    if (!endless.has(call.method)) expect(answer.status).toBeTypeOf('number')
    expect(answer.code).not.toBe('INTERNAL')
  },
  stillServes,
)

fuzzCalls(
  'server-api-anonymous',
  'whoever shows no certificate gets health, the bundle and a refusal, whatever it sends',
  rawCallForm,
  callsOf(services, words, blobs, (method) => method.startsWith('/grpc.')),
  async (call) => {
    const answer = await anonymous.call(call.method, framesOf(call))
    expect(answer.status).toBeTypeOf('number')
    expect(answer.code).not.toBe('INTERNAL')
    if (call.method.endsWith('/GetBundle')) return
    expect(answer.status).not.toBe(0)
  },
  stillServes,
  0.5,
)
