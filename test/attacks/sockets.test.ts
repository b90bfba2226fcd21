import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { endHeaders, frameTypes, grpcHeaders, http2Frame, preface } from '../support/hostile/http2-frames.ts'
import { megabyte, residentBytes } from '../support/hostile/memory.ts'
import { grpcFrame, openSocket, openTcp, RawGrpc, type Endpoint } from '../support/hostile/raw-grpc.ts'
import { channelTo } from '../support/product/agent-client.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

let product: Product
let agent: AgentProcess
let ours: readonly RpcChannel[] = []

beforeAll(async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'], agentArgs: ['--log-level', 'error'] })
  agent = await product.startAgent()
  const unix = (path: string): RpcChannel => RpcChannel.connectUnix(path, { clock: systemClock, unaryTimeoutMs: 2_000 })
  ours = [channelTo(product.address), unix(product.adminSocket), unix(agent.workloadSocket), unix(agent.adminSocket)]
  await serveOthers()
})
afterAll(async () => {
  for (const channel of ours) channel.close()
  await product[Symbol.asyncDispose]()
})

/** Every socket still answers somebody else. */
async function serveOthers(): Promise<void> {
  for (const channel of ours) expect((await channel.unary('grpc.health.v1.Health', 'Check', {})).status).toBe('SERVING')
}

const sockets = {
  'the TLS port before the handshake': (): Socket => openTcp(product.address),
  'the TLS port after the handshake': (): Socket => openSocket({ address: product.address }),
  'the admin socket of the server': (): Socket => openSocket({ path: product.adminSocket }),
  'the workload socket': (): Socket => openSocket({ path: agent.workloadSocket }),
  'the admin socket of the agent': (): Socket => openSocket({ path: agent.adminSocket }),
} as const

const clientHello = Buffer.from(`160301020001000001fc0303${'7a'.repeat(508)}`, 'hex')
const settings = http2Frame(frameTypes.settings, 0, 0)
const announced = Buffer.alloc(5)
announced.writeUInt32BE(0xffff_ffff, 1)

const garbage: readonly (readonly [string, Buffer])[] = [
  ['random bytes', randomBytes(20_000)],
  ['a megabyte of zeros', Buffer.alloc(megabyte)],
  ['an HTTP/1.1 request', Buffer.from('POST /SpiffeWorkloadAPI/FetchX509SVID HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0')],
  ['a TLS hello where there is none, or a second one', clientHello],
  ['a preface and then garbage', Buffer.concat([preface, randomBytes(10_000)])],
  ['a frame that announces sixteen megabytes', Buffer.concat([preface, settings, Buffer.from('ffffff000000000001', 'hex'), Buffer.alloc(30_000)])],
  ['headers that decompress to nothing', Buffer.concat([preface, settings, http2Frame(frameTypes.headers, endHeaders, 1, Buffer.alloc(5_000, 0xff))])],
  ['a window update of zero', Buffer.concat([preface, settings, http2Frame(frameTypes.windowUpdate, 0, 0, Buffer.alloc(4))])],
  ['headers on stream zero', Buffer.concat([preface, settings, http2Frame(frameTypes.headers, endHeaders, 0, grpcHeaders('/x/y'))])],
  ['data on a stream that was never opened', Buffer.concat([preface, settings, http2Frame(frameTypes.data, 0, 1, Buffer.alloc(100))])],
]

describe.each(Object.entries(sockets))('%s', (_name, open) => {
  test.each(garbage)('%s: that connection is closed and no other', async (_kind, bytes) => {
    const socket = open()
    socket.on('error', () => undefined)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    socket.write(bytes)
    await closed
    await serveOthers()
  })
})

const grpcEndpoints: readonly (readonly [string, () => Endpoint, string])[] = [
  ['the TLS port', () => ({ address: product.address }), '/spire.api.server.bundle.v1.Bundle/GetBundle'],
  ['the admin socket of the server', () => ({ path: product.adminSocket }), '/spire.api.server.entry.v1.Entry/BatchCreateEntry'],
  ['the workload socket', () => ({ path: agent.workloadSocket }), '/SpiffeWorkloadAPI/FetchX509SVID'],
  ['the admin socket of the agent', () => ({ path: agent.adminSocket }), '/mayfly.v1.AgentAdmin/Status'],
]

describe.each(grpcEndpoints)('giants on %s', (_name, endpoint, method) => {
  const resourceExhausted = 8

  test.each([
    ['a message that says it has four gigabytes', announced, {}],
    ['a message of ten megabytes', grpcFrame(Buffer.alloc(10 * megabyte)), {}],
    ['ten megabytes packed into ten kilobytes', grpcFrame(gzipSync(Buffer.alloc(10 * megabyte)), 1), { 'grpc-encoding': 'gzip' }],
  ])('%s is refused', async (_kind, frames, headers) => {
    using raw = new RawGrpc(endpoint())
    const pid = method.includes('Workload') || method.includes('AgentAdmin') ? agent.program?.pid ?? 0 : product.server.pid
    const before = residentBytes(pid)
    const { status, answered } = await raw.call(method, frames, { headers: { 'workload.spiffe.io': 'true', ...headers } })
    expect([resourceExhausted, undefined]).toContain(status)
    expect(answered).toBe(false)
    expect(residentBytes(pid) - before).toBeLessThan(64 * megabyte)
    await serveOthers()
  })

  test('headers of a megabyte are refused', async () => {
    using raw = new RawGrpc(endpoint())
    const { status, answered } = await raw.call(method, Buffer.alloc(5), { headers: { 'workload.spiffe.io': 'true', padding: 'x'.repeat(megabyte) } })
    expect(status).not.toBe(0)
    expect(answered).toBe(false)
    await serveOthers()
  })
})
