import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { floodKinds } from '../../support/hostile/flood-kinds.ts'
import { oneCall, preface } from '../../support/hostile/http2-frames.ts'
import { megabyte, residentBytes } from '../../support/hostile/memory.ts'
import { grpcFrame, openSocket, openTcp, RawGrpc } from '../../support/hostile/raw-grpc.ts'
import { servedWithinMs, Watch } from '../../support/hostile/watch.ts'
import { AgentClient } from '../../support/product/agent-client.ts'
import { node24, Program } from '../../support/product/process.ts'
import { Product, wireId, type AgentProcess } from '../../support/product/product.ts'

let product: Product
let agent: AgentProcess
let parentId = ''
let workloads: RpcChannel

beforeAll(async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'], agentArgs: ['--log-level', 'error'] })
  agent = await product.startAgent()
  ;[parentId = ''] = await product.agentIds()
  workloads = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock, unaryTimeoutMs: 30_000 })
})
afterAll(async () => {
  workloads.close()
  await product[Symbol.asyncDispose]()
})

const floodProgram = new URL('../../support/hostile/flood.ts', import.meta.url).pathname
const targets = {
  'the TLS port': { place: () => ({ address: product.address }), pid: () => product.server.pid, other: () => product.admin.unary('mayfly.v1.Status', 'Get', {}), method: '/spire.api.server.bundle.v1.Bundle/GetBundle' },
  'the workload socket': { place: () => ({ path: agent.workloadSocket }), pid: () => agent.program?.pid ?? 0, other: () => workloads.unary('grpc.health.v1.Health', 'Check', {}), method: '/SpiffeWorkloadAPI/FetchX509SVID' },
} as const

describe.each(Object.entries(targets))('a flood on %s', (name, { place, pid, other, method }) => {
  test.each(Object.entries(floodKinds))('%s (%s): bounded memory, and others are served within a second', async (kind) => {
    const before = residentBytes(pid())
    await using watch = new Watch(pid(), other)
    await using program = new Program(node24, [floodProgram, JSON.stringify({ ...place(), method, kind, seconds: 5 })])
    const { frames, cut } = await program.event('flooded')
    const { slowestMs, mostBytes, calls } = await watch.end()
    console.error(`${name}, ${kind}: ${String(frames)} frames, ${String(cut)} connections cut, ${calls} others served, slowest ${slowestMs.toFixed(0)} ms, ${((mostBytes - before) / megabyte).toFixed(0)} MB more`)
    expect(calls).toBeGreaterThan(5) // while it lasted: who waits for its end is served two or three times
    expect(slowestMs).toBeLessThan(servedWithinMs)
    expect(mostBytes - before).toBeLessThan(400 * megabyte) // garbage of calls that came and went; it does not add up
  })
})

describe('giants', () => {
  test.each(Object.keys(targets) as (keyof typeof targets)[])('a message of a hundred megabytes to %s is refused without being kept', async (name) => {
    const { pid, method, other } = targets[name]
    const before = residentBytes(pid())
    await using watch = new Watch(pid(), other)
    using raw = new RawGrpc(targets[name].place())
    const { status } = await raw.call(method, grpcFrame(Buffer.alloc(100 * megabyte)), { headers: { 'workload.spiffe.io': 'true' }, afterMs: 60_000 })
    expect([8, undefined]).toContain(status)
    const { slowestMs, mostBytes } = await watch.end()
    expect(slowestMs).toBeLessThan(servedWithinMs)
    expect(mostBytes - before).toBeLessThan(64 * megabyte)
  })
})

describe('half-open connections', () => {
  test('a TLS handshake that stops half way is closed within fifteen seconds', async () => {
    const socket = openTcp(product.address)
    socket.resume().on('error', () => undefined)
    socket.write(Buffer.from('1603010200010001fc0303', 'hex'))
    const startedMs = performance.now()
    await once(socket, 'close')
    expect(performance.now() - startedMs).toBeLessThan(15_000 + servedWithinMs)
  })

  test('whoever shows no certificate and stays is closed within forty seconds', async () => {
    const socket = openSocket({ address: product.address })
    socket.resume().on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.write(preface)
    const startedMs = performance.now()
    await once(socket, 'close')
    expect(performance.now() - startedMs).toBeLessThan(40_000 + servedWithinMs)
  })

  test.each(['workloadSocket', 'adminSocket'] as const)('whoever stops in the middle of the preface on the %s of the agent holds nothing but its connection', async (socketName) => {
    const sockets = Array.from({ length: 50 }, () => openSocket({ path: agent[socketName] }))
    for (const socket of sockets) socket.on('error', () => undefined).write(preface.subarray(0, 12))
    await workloads.unary('grpc.health.v1.Health', 'Check', {})
    for (const socket of sockets) socket.end() // half a close: the agent closes the other half
    await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')))
  })
})

describe('slow readers', () => {
  test('workloads that do not read what they asked for hold the agent to a few messages each', async () => {
    const [entry = ''] = await product.createEntries([{ spiffeId: 'spiffe://example.org/slow', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`], hint: '0' }])
    const pid = agent.program?.pid ?? 0
    const sockets = Array.from({ length: 200 }, () => openSocket({ path: agent.workloadSocket }))
    for (const socket of sockets) {
      socket.on('error', () => undefined).pause()
      socket.write(oneCall('/SpiffeWorkloadAPI/FetchX509SVID'))
    }
    const reader = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock, metadata: { 'workload.spiffe.io': 'true' } })
    const stream = reader.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})
    await stream.next()
    const before = residentBytes(pid)
    for (let round = 1; round <= 150; round++) {
      await product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchUpdateEntry', {
        entries: [{ id: entry, spiffeId: wireId('spiffe://example.org/slow'), parentId: wireId(parentId), selectors: [{ type: 'unix', value: `uid:${process.getuid?.() ?? 0}` }], hint: String(round).padEnd(900, '.') }],
      })
      const next = await stream.next() // a reader that reads is served all the while
      expect(next.done).not.toBe(true)
    }
    expect(residentBytes(pid) - before).toBeLessThan(100 * megabyte)
    for (const socket of sockets) socket.destroy()
    await stream.return()
    reader.close()
  })

  test('an agent that does not read its stream, and an administrator that does not read events, hold the server to a bound', async () => {
    using idle = await AgentClient.join((await product.joinLine()).line)
    const { pid } = product.server
    const watching = new RawGrpc({ path: product.adminSocket })
    const events = watching.session.request({ ':method': 'POST', ':path': '/mayfly.v1.Status/WatchEvents', 'content-type': 'application/grpc', te: 'trailers' })
    events.on('error', () => undefined)
    events.pause()
    events.end(Buffer.alloc(5))
    async function* hello(): AsyncGenerator<{ hello: object }> {
      yield { hello: { agentVersion: 'slow' } }
      await new Promise(() => undefined)
    }
    const sync = idle.channel.bidi('mayfly.v1.Sync', 'Connect', hello())
    await sync.next() // and never again
    const before = residentBytes(pid)
    for (let batch = 0; batch < 40; batch++) {
      await product.createEntries(Array.from({ length: 250 }, (_, at) => ({ spiffeId: `spiffe://example.org/w/${batch}/${at}`, parentId: idle.id, selectors: [`unix:uid:${10_000 + batch * 250 + at}`], hint: 'x'.repeat(500) })))
    }
    expect(residentBytes(pid) - before).toBeLessThan(200 * megabyte)
    await product.admin.unary('mayfly.v1.Status', 'Get', {}, { timeoutMs: servedWithinMs })
    events.close()
    watching[Symbol.dispose]()
  })
})
