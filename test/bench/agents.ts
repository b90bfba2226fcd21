import { parseArgs } from 'node:util'

import { nowhere, positionToWire } from '../../agent/sync/wire.ts'
import { systemClock } from '../../src/system/clock.ts'
import { raiseOpenFiles } from '../support/hostile/watch.ts'
import { isRoot } from '../support/processes/processes.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { Product } from '../support/product/product.ts'
import { Crowd } from './agents/crowd.ts'
import { percentile, type Report } from './figure.ts'
import { cpuMs, elapsedMs, residentMb } from './machine.ts'

const restMs = 20_000
const rounds = 200
const batch = 500
const settleMs = 5_000

/** `--agents 1000` that are connected and at rest: what they cost the server, and how soon one of them knows a new entry; then one agent with 10,000 entries of its own, and a list of `--entries 100000`. */
export async function bench(): Promise<Report> {
  const { values } = parseArgs({ args: process.argv.slice(2), strict: false, options: { agents: { type: 'string' }, entries: { type: 'string' } } })
  const count = Number(values['agents'] ?? 1_000)
  const entries = Number(values['entries'] ?? 100_000)
  await using product = await Product.start({ serverArgs: ['--log-level', 'warn'] })
  if (isRoot) raiseOpenFiles(product.server.pid, 20_000)
  const rest = async (): Promise<void> => systemClock.sleep(settleMs, new AbortController().signal)
  await rest()
  const idleMb = residentMb(product.server.pid)
  const { mb, cpuShare, toldMs } = await atRest(product, count)
  using agent = await AgentClient.join((await product.joinLine()).line)
  await fill(product, agent.id, 'own', 10_000)
  const sync = []
  for (let at = 0; at < 5; at++) sync.push(await fullSync(agent, 10_000))
  await fill(product, 'spiffe://example.org/spire/agent/join_token/elsewhere', 'all', entries - 10_000)
  const listed = await list(product)
  return {
    name: 'agents',
    figures: [
      { id: 'agents.server_mb', value: mb, unit: 'MB', limit: { value: idleMb, unit: 'MB', of: 'the same server without agents' }, note: `${count} agents, ${(((mb - idleMb) * 1_000) / count).toFixed(0)} kB each` },
      { id: 'agents.server_cpu_percent', value: cpuShare * 100, unit: '%', note: `of one core, over ${restMs / 1_000} s in which nothing happens but the signed heartbeat each second to each of them` },
      { id: 'agents.entry_p99_ms', value: percentile(toldMs, 0.99), unit: 'ms', goal: '<= 50', note: `from the call that creates an entry until its agent is told; p50 ${percentile(toldMs, 0.5).toFixed(1)} ms, ${rounds} rounds` },
      { id: 'agents.full_sync_10k_ms', value: percentile(sync, 0.5), unit: 'ms', goal: '<= 2000', note: 'an agent with 10,000 entries of its own: from its connection until it has all, median of 5' },
      { id: 'agents.list_per_second', value: listed.entries / (listed.ms / 1_000), unit: 'entries/s', note: `${listed.entries} entries in pages of 1,000, ${(listed.ms / 1_000).toFixed(1)} s; the slowest page ${listed.slowestMs.toFixed(0)} ms` },
    ],
  }
}

async function atRest(product: Product, count: number): Promise<{ readonly mb: number; readonly cpuShare: number; readonly toldMs: readonly number[] }> {
  await using crowd = await Crowd.join(product, count)
  await systemClock.sleep(settleMs, new AbortController().signal)
  const before = cpuMs(product.server.pid)
  await systemClock.sleep(restMs, new AbortController().signal)
  const cpuShare = (cpuMs(product.server.pid) - before) / restMs
  const mb = residentMb(product.server.pid)
  const toldMs: number[] = []
  for (let at = 0; at < rounds; at++) {
    const parentId = crowd.ids[(at * 7) % crowd.ids.length] ?? ''
    crowd.mark()
    const startedMs = elapsedMs()
    await product.createEntries([{ spiffeId: `spiffe://example.org/told/${at}`, parentId, selectors: ['unix:uid:1'] }])
    toldMs.push((await crowd.changed(parentId)) - startedMs)
  }
  return { mb, cpuShare, toldMs }
}

async function fill(product: Product, parentId: string, name: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += batch) await product.createEntries(Array.from({ length: Math.min(batch, count - at) }, (_, offset) => ({ spiffeId: `spiffe://example.org/${name}/${at + offset}`, parentId, selectors: [`unix:uid:${at + offset}`, 'unix:path:/usr/bin/service'] })))
}

/** From a new connection until the last entry is there. */
async function fullSync(agent: AgentClient, wanted: number): Promise<number> {
  const startedMs = elapsedMs()
  using again = AgentClient.withSvid(agent.address, agent.id, agent.key, agent.chain)
  const over = new AbortController()
  async function* hello(): AsyncGenerator<object> {
    yield { hello: { agentVersion: 'bench', position: positionToWire(nowhere) } }
    await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  let known = 0
  try {
    for await (const { snapshot } of again.channel.bidi('mayfly.v1.Sync', 'Connect', hello(), { signal: over.signal })) {
      known += snapshot?.entries.length ?? 0
      if (snapshot?.complete !== true) continue
      if (known < wanted) throw new Error(`${known} entries of ${wanted}`)
      return elapsedMs() - startedMs
    }
    throw new Error('the stream ended')
  } finally {
    over.abort()
  }
}

async function list(product: Product): Promise<{ readonly entries: number; readonly ms: number; readonly slowestMs: number }> {
  const startedMs = elapsedMs()
  let [entries, slowestMs, pageToken] = [0, 0, '']
  do {
    const beganMs = elapsedMs()
    const page = await product.admin.unary('mayfly.v1.Registry', 'ListEntries', { pageSize: 1_000, pageToken }, { timeoutMs: 60_000 })
    slowestMs = Math.max(slowestMs, elapsedMs() - beganMs)
    entries += page.entries.length
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return { entries, ms: elapsedMs() - startedMs, slowestMs }
}
