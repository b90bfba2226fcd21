import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

import { openSqliteStore } from '../../server/store/sqlite/open.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { Product } from '../support/product/product.ts'
import { selectors, wireRole, workspace } from '../support/server/grants.ts'

const rounds = 8
/** A machine on which a start takes ten times as long does as many rounds as this is enough for. */
const enoughMs = 150_000
let product: Product | undefined

afterEach(async () => {
  await product?.[Symbol.asyncDispose]()
  product = undefined
})

/** What the server has acknowledged of each grant. */
interface Acknowledged {
  readonly active: Map<string, string>
  readonly ended: Map<string, string>
}

test(`a server that is killed up to ${rounds} times under grants: what it acknowledged holds, nothing ended comes back, the journal equals the tables`, async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'] })
  const running = product
  using agent = await AgentClient.join((await running.joinLine()).line)
  await prepare(running, agent.id)
  const seen: Acknowledged = { active: new Map(), ended: new Map() }
  const startedMs = systemClock.bootMs()
  for (let round = 0; round < rounds && systemClock.bootMs() - startedMs < enoughMs; round++) {
    using caller = AgentClient.withSvid(running.address, agent.id, agent.key, agent.chain)
    const stop = new AbortController()
    const work = Promise.all(Array.from({ length: 8 }, async (_, at) => liveUntil(caller, `round ${round} process ${at}`, seen, stop.signal)))
    const held = seen.active.size + seen.ended.size
    while (seen.active.size + seen.ended.size < held + 20) await systemClock.sleep(5, AbortSignal.timeout(30_000))
    await systemClock.sleep(round * 7, AbortSignal.timeout(1_000)) // another moment each round
    await running.killServer('SIGKILL')
    stop.abort()
    await work
    await running.startServer()
    for (const [id, cause] of seen.ended) expect(await shown(running, id)).toMatchObject({ cause, serial: '' })
    for (const [id, serial] of seen.active) {
      const grant = await shown(running, id)
      // an end that was under way when the server was killed may have been written down without its answer
      if (!seen.ended.has(id) && grant.state === 'active') expect(grant.serial).toBe(serial)
    }
  }
  await running.killServer('SIGTERM')
  await using store = await openSqliteStore({ path: join(running.dir, 'server/mayfly.db'), trustDomain: running.trustDomain, nowMs: systemClock.nowMs() }, {})
  expect((await store.journal.verify()).records).toBeGreaterThan(20)
})

test('invariant 13: after a kill, what its agent still vouches for lives on, and the rest ends as an orphan', async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'] })
  const running = product
  using agent = await AgentClient.join((await running.joinLine()).line)
  await prepare(running, agent.id)
  const seen: Acknowledged = { active: new Map(), ended: new Map() }
  const [kept, lost] = [await begin(agent, 'process 1', seen), await begin(agent, 'process 2', seen)]
  await running.killServer('SIGKILL')
  await running.startServer()
  using caller = AgentClient.withSvid(running.address, agent.id, agent.key, agent.chain)
  const over = new AbortController()
  const vouching = vouch(caller, kept, over.signal)
  const startedMs = systemClock.bootMs()
  let state = 'active'
  while (state === 'active' && systemClock.bootMs() - startedMs < 200_000) {
    await systemClock.sleep(1_000, AbortSignal.timeout(5_000))
    state = (await shown(running, lost)).state
  }
  expect(await shown(running, lost)).toMatchObject({ cause: 'orphan', serial: '' })
  expect(await shown(running, kept)).toMatchObject({ state: 'active' })
  over.abort()
  await vouching
})

async function prepare(running: Product, agentId: string): Promise<void> {
  await running.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team-db', contact: '' })
  await running.admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: wireRole(agentId), ifVersion: 0 })
}

async function shown(running: Product, grantId: string) {
  return await running.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId })
}

/** Requests and activates one. */
async function begin(agent: AgentClient, instance: string, seen: Acknowledged): Promise<string> {
  const intent = { actions: ['write'], resources: ['db:orders'], workspace, reason: 'migration 42' }
  const { id } = await agent.channel.unary('mayfly.v1.GrantControl', 'Request', { request: { spiffeId: 'spiffe://example.org/deploy-bot', intent }, selectors: [...selectors], requester: 'uid:1000', instance, tier: 'pidfd' })
  const { grant } = await agent.channel.unary('mayfly.v1.GrantControl', 'Activate', { grantId: id, csr: buildCsr(PrivateKey.generate()), selectors: [...selectors], instance, binding: 'process', tier: 'pidfd' })
  seen.active.set(id, grant?.serial ?? '')
  return id
}

/** One grant after another, most of them ended, until the server is gone. */
async function liveUntil(agent: AgentClient, instance: string, seen: Acknowledged, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    try {
      const id = await begin(agent, `${instance} turn ${turn}`, seen)
      if (turn % 4 === 3) continue
      const { cause } = await agent.channel.unary('mayfly.v1.GrantControl', 'End', { grantId: id, cause: turn % 2 === 0 ? 'completed' : 'failed' })
      seen.ended.set(id, cause)
    } catch (error) {
      if (error instanceof MayflyError && ['UNAVAILABLE', 'CANCELLED', 'SHUTTING_DOWN'].includes(error.code)) return
      throw error
    }
  }
}

async function vouch(agent: AgentClient, grantId: string, signal: AbortSignal): Promise<void> {
  async function* messages() {
    yield { hello: { agentVersion: 'test' } }
    while (!signal.aborted) {
      yield { alive: { grantIds: [grantId] } }
      await systemClock.sleep(2_000, signal).catch(() => undefined) // over
    }
  }
  try {
    for await (const said of agent.channel.bidi('mayfly.v1.Sync', 'Connect', messages(), { signal })) if (signal.aborted) return void said
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
