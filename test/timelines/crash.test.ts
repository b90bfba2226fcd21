import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

import { openSqliteStore } from '../../server/store/sqlite/open.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { toHex } from '../../src/core/bytes.ts'
import { parseSerial } from '../../src/core/serial.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { AgentClient, attest } from '../support/product/agent-client.ts'
import { Product } from '../support/product/product.ts'

const rounds = 25
/** A machine on which a start takes ten times as long does as many rounds as this is enough for. */
const enoughMs = 150_000
let product: Product | undefined

afterEach(async () => {
  await product?.[Symbol.asyncDispose]()
  product = undefined
})

/**
 * `kill -9` at a moment that differs from round to round, under attestations, issuance and new entries; each step between two writes has a test of
 * its own at the store (`test/timelines/store-crash.test.ts`).
 */
test(`a server that is killed up to ${rounds} times at work: nothing handed out is missing, no token joins twice, no index is used again, the journal equals the tables`, async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'] })
  const running = product
  const seen: Seen = { serials: new Set(), entries: new Set(), agentsOfTokens: new Map() }
  using agent = await AgentClient.join((await running.joinLine()).line)
  const startedMs = systemClock.bootMs()
  let round = 0
  for (; round < rounds && systemClock.bootMs() - startedMs < enoughMs; round++) {
    const tokens = await Promise.all(Array.from({ length: 4 }, async () => (await running.joinLine()).agentToken))
    const entryIds = await running.createEntries(Array.from({ length: 20 }, (_, at) => ({ spiffeId: `spiffe://example.org/crash/${round}/${at}`, parentId: agent.id, selectors: [`unix:uid:${10_000 + at}`] })))
    for (const id of entryIds) seen.entries.add(id)
    const stop = new AbortController()
    const held = seen.serials.size + seen.entries.size
    const work = Promise.all([
      issueUntil(running, agent, entryIds, seen, stop.signal),
      ...tokens.map((token) => attestUntil(running, token, seen)),
      createUntil(running, agent.id, round, seen, stop.signal),
    ])
    await until(() => seen.serials.size + seen.entries.size >= held + 1 + (round % 5) * 20)
    await afterWork(round)
    await running.server.kill('SIGKILL')
    stop.abort()
    await work
    await running.killServer('SIGKILL')
    await running.startServer()
    for (const token of tokens) await expectSpentOnce(running, token, seen)
  }
  await running.killServer('SIGKILL')

  await using store = await openSqliteStore({ path: join(running.dir, 'server/mayfly.db'), trustDomain: running.trustDomain, nowMs: systemClock.nowMs() }, {})
  expect(seen.serials.size).toBeGreaterThan(round)
  const places = new Set<string>()
  for (const serial of seen.serials) {
    const row = await store.credentials.bySerial(serial)
    expect(row?.serial).toBe(serial)
    const { shard, minute, index } = parseSerial(serial)
    places.add(`${shard}/${minute}/${index}`)
  }
  expect(places.size).toBe(seen.serials.size)
  for (const id of seen.entries) expect((await store.entries.byId(id))?.id).toBe(id)
  expect((await store.journal.verify()).records).toBeGreaterThan(round)
})

test('an agent that is killed again and again while it joins, fetches and rotates comes back as the same agent, without a token', async () => {
  // It rotates its own while it is killed, and comes back before that has expired, on whatever machine.
  const beganMs = systemClock.bootMs()
  await (await Product.start())[Symbol.asyncDispose]()
  const ttlSeconds = Math.max(20, Math.ceil((systemClock.bootMs() - beganMs) / 1_000) * 15)
  product = await Product.start({ serverArgs: ['--log-level', 'error', '--agent-svid-ttl', `${ttlSeconds}s`], agentArgs: ['--log-level', 'error'] })
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/kept', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`], ttlSeconds: 4 }])
  const startedMs = systemClock.bootMs()
  for (let round = 0; round < 12 && systemClock.bootMs() - startedMs < enoughMs; round++) {
    await fetched(agent.workloadSocket, 'spiffe://example.org/kept')
    await afterWork(round * 40)
    await agent.kill('SIGKILL')
    await agent.start()
  }
  await fetched(agent.workloadSocket, 'spiffe://example.org/kept')
  expect(await product.agentIds()).toEqual([parentId])
})

interface Seen {
  readonly serials: Set<string>
  readonly entries: Set<string>
  readonly agentsOfTokens: Map<string, string>
}

async function issueUntil(running: Product, agent: AgentClient, entryIds: readonly string[], seen: Seen, signal: AbortSignal): Promise<void> {
  using client = AgentClient.withSvid(running.address, agent.id, agent.key, agent.chain)
  const params = entryIds.map((entryId) => ({ entryId, csr: buildCsr(PrivateKey.generate()) }))
  await untilKilled(async () => {
    while (!signal.aborted) {
      const { results } = await client.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params }, { signal })
      for (const { svid } of results) for (const der of svid?.certChain ?? []) seen.serials.add(toHex(parseCertificate(new Uint8Array(der)).serial))
    }
  })
}

async function createUntil(running: Product, parentId: string, round: number, seen: Seen, signal: AbortSignal): Promise<void> {
  await untilKilled(async () => {
    for (let at = 0; !signal.aborted; at++) {
      for (const id of await running.createEntries([{ spiffeId: `spiffe://example.org/during/${round}/${at}`, parentId, selectors: ['unix:uid:9'] }])) seen.entries.add(id)
    }
  })
}

async function attestUntil(running: Product, token: string, seen: Seen): Promise<void> {
  await untilKilled(async () => {
    const { id, chain } = await attest(running.address, token, PrivateKey.generate())
    seen.agentsOfTokens.set(token, id)
    for (const der of chain) seen.serials.add(toHex(parseCertificate(der).serial))
  })
}

/** A token that joined an agent before the kill must be spent; one whose answer was lost may or may not be. Never two agents. */
async function expectSpentOnce(running: Product, token: string, seen: Seen): Promise<void> {
  const joined = seen.agentsOfTokens.get(token)
  const outcome = await attest(running.address, token, PrivateKey.generate()).catch((error: unknown) => error)
  if (joined !== undefined || !('id' in Object(outcome))) {
    expect(outcome).toMatchObject({ code: 'TOKEN_INVALID' })
    return
  }
  await expect(attest(running.address, token, PrivateKey.generate())).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
}

/** The server goes away under it: that alone is expected. */
async function untilKilled(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const away = error instanceof MayflyError ? ['UNAVAILABLE', 'CANCELLED', 'SHUTTING_DOWN', 'INTERNAL'].includes(error.code) : error instanceof Error && /abort|ended the conversation/i.test(`${error.name} ${error.message}`)
    if (!away) throw error
  }
}

async function fetched(socket: string, spiffeId: string): Promise<void> {
  const deadline = AbortSignal.timeout(120_000)
  for (;;) {
    const channel = RpcChannel.connectUnix(socket, { clock: systemClock })
    try {
      for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata: { 'workload.spiffe.io': 'true' }, signal: deadline })) {
        expect(svids.map((svid) => svid.spiffeId)).toEqual([spiffeId])
        return
      }
    } catch (error) {
      if (deadline.aborted || !(error instanceof MayflyError)) throw error
      await systemClock.sleep(20, deadline)
    } finally {
      channel.close()
    }
  }
}

/** Until the work has come so far. */
async function until(reached: () => boolean): Promise<void> {
  for (const limit = AbortSignal.timeout(120_000); !reached(); ) await systemClock.sleep(1, limit)
}

/** The moment of the kill moves a little from round to round. */
async function afterWork(ms: number): Promise<void> {
  await systemClock.sleep(1 + ms, new AbortController().signal)
}
