import { chmodSync, copyFileSync, linkSync } from 'node:fs'
import { Agent, request } from 'node:https'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { toHex } from '../../src/core/bytes.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { buildGoWorkload } from '../support/interop/go-workload.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { node24, Program, type JsonLine } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const nodePeer = join(import.meta.dirname, 'node-peer.ts')
const workload = buildGoWorkload()
if (workload === undefined) skipAloud('interop with go-spiffe: there is no Go on this machine (1.24 or newer is needed)')

describe.skipIf(workload === undefined)('the real go-spiffe against a real mayfly', () => {
  let product: Product
  let agent: AgentProcess
  let parentId: string
  const running: Program[] = []

  beforeAll(async () => {
    product = await Product.start()
    agent = await product.startAgent()
    parentId = (await product.agentIds())[0] ?? ''
  })

  afterAll(async () => {
    for (const program of running) await program.kill()
    await product[Symbol.asyncDispose]()
    workload?.[Symbol.dispose]()
  })

  /** A copy of the workload at a path of its own, so that `unix:path` tells them apart. */
  function installed(name: string): string {
    const path = join(product.dir, `go-${name}`)
    copyFileSync(workload?.path ?? '', path)
    chmodSync(path, 0o755)
    return path
  }

  /** A second name of this Node, for the same reason. */
  function installedNode(name: string): string {
    const path = join(product.dir, `node-${name}`)
    try {
      linkSync(node24, path)
    } catch {
      copyFileSync(node24, path)
    }
    return path
  }

  function start(path: string, ...args: string[]): Program {
    const program = new Program(path, args, { env: { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` } })
    running.push(program)
    return program
  }

  function entry(name: string, path: string, more: { ttlSeconds?: number; hint?: string } = {}): Promise<readonly string[]> {
    return product.createEntries([{ spiffeId: `spiffe://example.org/${name}`, parentId, selectors: [`unix:path:${path}`], ...more }])
  }

  /** Runs until it exits with success, again while it is refused: the entry may not have reached the agent yet. */
  async function succeed(path: string, ...args: string[]): Promise<readonly JsonLine[]> {
    for (let attempt = 0; ; attempt++) {
      const program = start(path, ...args)
      if ((await program.ended()) === 0) return program.lines
      if (attempt === 20) throw new Error(JSON.stringify(program.lines) + program.errors)
    }
  }

  test('it fetches every identity it is entitled to, with hints, and verifies them with its own verifier', async () => {
    const path = installed('fetcher')
    await entry('first', path, { hint: 'internal' })
    await entry('second', path, { hint: 'external' })
    const lines = await succeed(path, 'fetch')
    expect(lines.map((line) => [line['id'], line['hint'], line['chain']])).toEqual([
      ['spiffe://example.org/first', 'internal', 1],
      ['spiffe://example.org/second', 'external', 1],
    ])
  })

  test('it gets the bundle of the trust domain', async () => {
    const path = installed('bundler')
    await entry('bundler', path)
    const [bundle] = await succeed(path, 'bundles')
    expect(bundle).toMatchObject({ event: 'bundle', trustDomain: 'example.org' })
    expect(Number(bundle?.['authorities'])).toBeGreaterThanOrEqual(1)
  })

  test('a process without an entry gets PermissionDenied', async () => {
    const stranger = start(installed('stranger'), 'fetch')
    expect(await stranger.ended()).toBe(1)
    expect(await stranger.event('failed')).toMatchObject({ code: 'PermissionDenied' })
  })

  test('client and server authenticate each other, and each refuses who it did not expect', async () => {
    const [client, server, other] = [installed('client'), installed('server'), installed('other')]
    await entry('client', client)
    await entry('server', server)
    await entry('other', other)
    await succeed(server, 'fetch')
    const serving = await start(server, 'serve', 'spiffe://example.org/client').event('serving')
    const address = String(serving['address'])
    expect(await succeed(client, 'call', address, 'spiffe://example.org/server')).toMatchObject([{ event: 'answer', status: 200, sawClient: 'spiffe://example.org/client', server: 'spiffe://example.org/server' }])
    expect(await start(other, 'call', address, 'spiffe://example.org/server').ended()).toBe(1)
    expect(await start(client, 'call', address, 'spiffe://example.org/other').ended()).toBe(1)
  })

  test('go-spiffe and mayfly/client authenticate each other, both ways', async () => {
    const [gopher, noder] = [installed('gopher'), installedNode('noder')]
    await entry('gopher', gopher)
    await entry('noder', noder)
    await succeed(gopher, 'fetch')
    const nodeServer = await start(noder, nodePeer, 'serve', 'spiffe://example.org/gopher').event('serving')
    expect(await succeed(gopher, 'call', String(nodeServer['address']), 'spiffe://example.org/noder')).toMatchObject([{ status: 200, sawClient: 'spiffe://example.org/gopher', server: 'spiffe://example.org/noder' }])
    const goServer = await start(gopher, 'serve', 'spiffe://example.org/noder').event('serving')
    expect(await succeed(noder, nodePeer, 'call', String(goServer['address']), 'spiffe://example.org/gopher')).toMatchObject([{ status: 200, sawClient: 'spiffe://example.org/noder', server: 'spiffe://example.org/gopher' }])
    expect(await start(noder, nodePeer, 'call', String(goServer['address']), 'spiffe://example.org/client').ended()).toBe(1)
  })

  test('docs/verifiers.md: with a hook on the check API a revoked peer is refused within a second, resumed or not; a live connection stays', async () => {
    const server = installed('checker')
    await entry('checker', server)
    await succeed(server, 'fetch')
    const serving = start(server, 'serve-checked', 'spiffe://example.org/peer', join(agent.dir, 'check.sock'))
    const [host = '', port = ''] = String((await serving.event('serving'))['address']).split(':')
    const key = PrivateKey.generate()
    const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: ['spiffe://example.org/peer'] })), ttl: 300 })
    const chain = svid?.certChain ?? []
    const peer = { host, port: Number(port), cert: encodeCertificatesPem(chain), key: key.toPem(), rejectUnauthorized: false }
    let session: Buffer | undefined
    const live = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = (options: RequestOptions): Promise<string> =>
      new Promise((resolve) => {
        const asked = request({ ...peer, agent: false, ...options }, (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve(text))
        })
        asked.on('socket', (socket) => void socket.on('session', (given: Buffer) => (session = given)))
        asked.once('error', () => resolve('refused'))
        asked.end()
      })
    expect(await ask({ agent: live })).toBe('spiffe://example.org/peer')
    expect(await ask({})).toBe('spiffe://example.org/peer')
    expect(session).toBeDefined()
    const serial = toHex(parseCertificate(chain[0] ?? new Uint8Array(0)).serial).padStart(34, '0')
    const { committedAtMs } = await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'interop' })
    for (let atMs = Date.now(); (await ask({})) !== 'refused'; atMs = Date.now()) expect(atMs - committedAtMs).toBeLessThan(10_000)
    expect(await serving.line((line) => line['event'] === 'refused')).toMatchObject({ verdict: 'revoked', resumed: false })
    const seen = serving.lines.length
    expect(await ask({ session } as RequestOptions)).toBe('refused')
    expect(await serving.line((line) => line['event'] === 'refused', seen)).toMatchObject({ verdict: 'revoked', resumed: true })
    expect(await ask({ agent: live })).toBe('spiffe://example.org/peer')
    live.destroy()
  })

  test('an open connection outlives the rotation of both ends, and is cut when the peer is revoked', async () => {
    const [holder, streamer] = [installed('holder'), installedNode('streamer')]
    await entry('holder', holder, { ttlSeconds: 6 })
    await entry('streamer', streamer, { ttlSeconds: 6 })
    await succeed(holder, 'fetch')
    const server = start(streamer, nodePeer, 'stream', 'spiffe://example.org/holder')
    const client = start(holder, 'hold', String((await server.event('serving'))['address']), 'spiffe://example.org/streamer')
    const before = await client.event('data')
    await client.line((line) => line['event'] === 'data' && line['text'] !== before['text'])
    expect(client.lines.some((line) => line['event'] === 'closed')).toBe(false)
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/holder' }, reason: 'interop' })
    await client.event('closed')
    expect(await server.event('cut')).toMatchObject({ peer: 'spiffe://example.org/holder' })
  })

  test('it follows rotation: a new serial before half of the lifetime has gone by twice', async () => {
    const path = installed('rotator')
    await entry('rotator', path, { ttlSeconds: 6 })
    const watcher = start(path, 'watch')
    const first = await watcher.event('update')
    const second = await watcher.line((line) => line['event'] === 'update' && serialOf(line) !== serialOf(first))
    expect(Number(svidOf(second)['notAfterMs'])).toBeGreaterThan(Number(svidOf(first)['notAfterMs']))
    await watcher.kill('SIGTERM')
  })

  test('it gets over a restart of the agent', async () => {
    const path = installed('survivor-of-agents')
    await entry('survivor-of-agents', path, { ttlSeconds: 8 })
    const watcher = start(path, 'watch')
    await watcher.event('update')
    await agent.kill('SIGKILL')
    await watcher.event('watch_error')
    const seen = watcher.lines.length
    await agent.start()
    expect(svidOf(await watcher.event('update', seen))).toMatchObject({ id: 'spiffe://example.org/survivor-of-agents' })
    await watcher.kill('SIGTERM')
  })

  test('it gets over a restart of the server: rotation goes on', async () => {
    const path = installed('survivor-of-servers')
    await entry('survivor-of-servers', path, { ttlSeconds: 6 })
    const watcher = start(path, 'watch')
    const first = await watcher.event('update')
    await product.killServer('SIGKILL')
    await product.startServer()
    const later = await watcher.line((line) => line['event'] === 'update' && serialOf(line) !== serialOf(first))
    expect(svidOf(later)).toMatchObject({ id: 'spiffe://example.org/survivor-of-servers' })
    await watcher.kill('SIGTERM')
  })

  test('a revoked identity: the open stream says PermissionDenied, and a new fetch is refused', async () => {
    const path = installed('culprit')
    await entry('culprit', path)
    const watcher = start(path, 'watch')
    await watcher.event('update')
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/culprit' }, reason: 'interop' })
    expect(await watcher.event('watch_error')).toMatchObject({ code: 'PermissionDenied' })
    const again = start(path, 'fetch')
    expect(await again.ended()).toBe(1)
    expect(await again.event('failed')).toMatchObject({ code: 'PermissionDenied' })
    await watcher.kill('SIGTERM')
  })
})

function svidOf(line: JsonLine): JsonLine {
  const svids = line['svids']
  const first: unknown = Array.isArray(svids) ? svids[0] : undefined
  return typeof first === 'object' && first !== null ? { ...first } : {}
}

function serialOf(line: JsonLine): string {
  return String(svidOf(line)['serial'])
}
