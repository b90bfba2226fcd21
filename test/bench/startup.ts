import { join } from 'node:path'

import { systemClock } from '../../src/system/clock.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { Product } from '../support/product/product.ts'
import { main, node24, Program } from '../support/product/process.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const rounds = 9
const metadata = { 'workload.spiffe.io': 'true' }

/** Process start → serving, of a server that has a store; → first SVID at a workload, of an agent that has joined; and of `mayfly dev` from nothing. */
export async function bench(): Promise<Report> {
  const bare = await medianOf(async () => {
    const start = elapsedMs()
    await new Program(node24, ['-e', '0']).ended()
    return elapsedMs() - start
  })
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/bench', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  await firstSvid(agent.workloadSocket)
  const server = await medianOf(async () => {
    await product.killServer('SIGTERM')
    const start = elapsedMs()
    await product.startServer()
    return elapsedMs() - start
  })
  await systemClock.sleep(1_000, new AbortController().signal)
  const agentMs = await medianOf(async () => {
    await agent.kill('SIGTERM')
    const start = elapsedMs()
    const started = agent.start()
    const end = await firstSvid(agent.workloadSocket)
    await started
    return end - start
  })
  const limit = { value: bare, unit: 'ms', of: 'a bare Node from start to exit' }
  return {
    name: 'startup',
    figures: [
      { id: 'startup.server_ms', value: server, unit: 'ms', goal: '<= 250', limit },
      { id: 'startup.agent_ms', value: agentMs, unit: 'ms', goal: '<= 250', limit, note: 'to the first SVID at a workload that asks all the while, server up' },
      { id: 'startup.dev_ms', value: await devMs(product.dir), unit: 'ms', goal: '<= 800', limit, note: 'an empty folder; the workload asks from the start, its entry is made as soon as the admin socket answers' },
    ],
  }
}

/** Asks, again every few ms, until an SVID comes; when that was. */
async function firstSvid(socket: string): Promise<number> {
  for (const deadline = elapsedMs() + 20_000; elapsedMs() < deadline; ) {
    const channel = RpcChannel.connectUnix(socket, { clock: systemClock })
    try {
      for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata, timeoutMs: 5_000 })) if (svids.length > 0) return elapsedMs()
    } catch {
      await systemClock.sleep(3, new AbortController().signal)
    } finally {
      channel.close()
    }
  }
  throw new Error('no SVID within twenty seconds')
}

async function devMs(dir: string): Promise<number> {
  const samples: number[] = []
  for (let round = 0; round < 5; round++) {
    const data = join(dir, `dev${round}`)
    const start = elapsedMs()
    await using dev = new Program(node24, [main('src/cli'), 'dev', '--data', data, '--json'])
    const entry = createdAsSoonAsPossible(join(data, 'server/admin.sock'))
    samples.push((await firstSvid(join(data, 'agent/workload.sock'))) - start)
    await entry
    await dev.kill('SIGTERM')
  }
  return percentile(samples, 0.5)
}

async function createdAsSoonAsPossible(adminSocket: string): Promise<void> {
  for (;;) {
    const admin = RpcChannel.connectUnix(adminSocket, { clock: systemClock })
    try {
      const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {}, { timeoutMs: 2_000 })
      const agent = agents[0]?.id
      if (agent !== undefined && agent !== null) {
        const { results } = await admin.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [{ entry: { spiffeId: { trustDomain: agent.trustDomain, path: '/bench' }, parentId: agent, selectors: [{ type: 'unix', value: `uid:${process.getuid?.() ?? 0}` }] } }] })
        if (results[0]?.status?.code === 0) return
        throw new Error(results[0]?.status?.message ?? 'no result')
      }
    } catch (error) {
      if (!(error instanceof Error) || !/UNAVAILABLE|DEADLINE/.test(String(Object(error)['code']))) throw error
    } finally {
      admin.close()
    }
    await systemClock.sleep(5, new AbortController().signal)
  }
}

async function medianOf(sample: () => Promise<number>): Promise<number> {
  const samples: number[] = []
  for (let at = 0; at < rounds; at++) samples.push(await sample())
  return percentile(samples, 0.5)
}
