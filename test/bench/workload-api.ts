import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import type { X509SVIDResponse__Output } from '../../proto/generated/X509SVIDResponse.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

/** Until V8 has compiled both ends. */
const warmups = 1_500
const warmFetches = 3_000
const newWarmups = 50
const newConnections = 400
const metadata = { 'workload.spiffe.io': 'true' }

/** FetchX509SVID of a cached SVID: on a warm connection, and on a new one that is attested first. The bench is the workload. Beside it the same calls to a bare server that asks nobody anything. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/bench', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  const response = await fetched(agent.workloadSocket)

  const { warm, fresh } = await timesAt(agent.workloadSocket)
  const bare = await bareTimes(join(product.dir, 'bare.sock'), response)
  const of = 'a bare grpc-js server in a process of its own that sends the same message'
  const limitOf = (times: readonly number[], share: number): { value: number; unit: string; of: string } => ({ value: percentile(times, share), unit: 'ms', of })
  return {
    name: 'workload-api',
    figures: [
      { id: 'workload_api.warm_p50_ms', value: percentile(warm, 0.5), unit: 'ms', goal: '<= 0.7', limit: limitOf(bare.warm, 0.5), note: `${warmFetches} calls one after the other, after ${warmups}` },
      { id: 'workload_api.warm_p99_ms', value: percentile(warm, 0.99), unit: 'ms', goal: '<= 3', limit: limitOf(bare.warm, 0.99) },
      { id: 'workload_api.new_p50_ms', value: percentile(fresh, 0.5), unit: 'ms', goal: '<= 1.5', limit: limitOf(bare.fresh, 0.5), note: `p99 ${percentile(fresh, 0.99).toFixed(2)} ms; connect, attest, first message` },
    ],
  }
}

/** Waits until the entry has reached the agent. */
async function fetched(path: string): Promise<X509SVIDResponse__Output> {
  using channel = RpcChannel.connectUnix(path, { clock: systemClock })
  for (const deadline = elapsedMs() + 10_000; elapsedMs() < deadline; ) {
    try {
      return await fetchOnce(channel)
    } catch {
      await systemClock.sleep(20, new AbortController().signal)
    }
  }
  throw new Error('no SVID within ten seconds')
}

async function fetchOnce(channel: RpcChannel): Promise<X509SVIDResponse__Output> {
  for await (const response of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata, timeoutMs: 5_000 })) {
    if (response.svids.length !== 1) throw new Error(`${response.svids.length} SVIDs`)
    return response
  }
  throw new Error('the stream ended without a message')
}

interface Times {
  /** On one connection. */
  readonly warm: readonly number[]
  /** On a new connection each. */
  readonly fresh: readonly number[]
}

async function timesAt(path: string): Promise<Times> {
  using channel = RpcChannel.connectUnix(path, { clock: systemClock })
  const warm = await timesOf(warmups, warmFetches, async () => void (await fetchOnce(channel)))
  const fresh = await timesOf(newWarmups, newConnections, async () => {
    using one = RpcChannel.connectUnix(path, { clock: systemClock })
    await fetchOnce(one)
  })
  return { warm, fresh }
}

async function timesOf(before: number, rounds: number, act: () => Promise<void>): Promise<number[]> {
  for (let at = 0; at < before; at++) await act()
  const times: number[] = []
  for (let at = 0; at < rounds; at++) {
    const start = elapsedMs()
    await act()
    times.push(elapsedMs() - start)
  }
  return times
}

async function bareTimes(path: string, response: X509SVIDResponse__Output): Promise<Times> {
  const server = fork(join(import.meta.dirname, 'bare-workload-api.ts'), [path], { serialization: 'advanced' })
  try {
    server.send(response)
    await once(server, 'message')
    return await timesAt(path)
  } finally {
    server.disconnect()
  }
}
