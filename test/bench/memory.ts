import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { Program, node24 } from '../support/product/process.ts'
import type { Report } from './figure.ts'
import { residentMb } from './machine.ts'

const settleMs = 5_000
const batchSize = 500

/** Resident memory of server and agent: idle, and of the server with 10,000 and 100,000 entries, five seconds after the last call. */
export async function bench(): Promise<Report> {
  const bare = await bareNodeMb()
  await using product = await Product.start()
  const agent = await product.startAgent()
  await settle()
  const serverIdle = residentMb(product.server.pid)
  const agentIdle = residentMb(agent.program?.pid ?? 0)
  await fill(product, 0, 10_000)
  await settle()
  const with10k = residentMb(product.server.pid)
  await fill(product, 10_000, 100_000)
  await settle()
  const with100k = residentMb(product.server.pid)
  await product.killServer('SIGTERM')
  await product.startServer()
  await product.admin.unary('mayfly.v1.Status', 'Get', {})
  await settle()
  const restarted = residentMb(product.server.pid)
  const limit = { value: bare, unit: 'MB', of: 'a bare Node that does nothing' }
  return {
    name: 'memory',
    figures: [
      { id: 'memory.server_idle_mb', value: serverIdle, unit: 'MB', goal: '<= 120', limit },
      { id: 'memory.server_10k_mb', value: with10k, unit: 'MB', goal: '<= 150', limit },
      { id: 'memory.server_100k_mb', value: with100k, unit: 'MB', goal: '<= 300', limit, note: `right after their creation; ${restarted.toFixed(0)} MB after a restart on the same file` },
      { id: 'memory.agent_idle_mb', value: agentIdle, unit: 'MB', goal: '<= 80', limit },
    ],
  }
}

async function fill(product: Product, from: number, to: number): Promise<void> {
  const parentId = 'spiffe://example.org/spire/agent/join_token/bench'
  for (let at = from; at < to; at += batchSize) {
    await product.createEntries(Array.from({ length: batchSize }, (_, offset) => ({ spiffeId: `spiffe://example.org/bench/${at + offset}`, parentId, selectors: [`unix:uid:${at + offset}`, 'unix:path:/usr/bin/service'] })))
  }
}

async function settle(): Promise<void> {
  await systemClock.sleep(settleMs, new AbortController().signal)
}

async function bareNodeMb(): Promise<number> {
  await using bare = new Program(node24, ['-e', 'console.log("{\\"event\\":\\"serving\\"}"); setInterval(() => {}, 1e6)'])
  await bare.event('serving')
  return residentMb(bare.pid)
}
