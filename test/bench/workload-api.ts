import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'

import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const warmFetches = 3_000
const newConnections = 400
const metadata = { 'workload.spiffe.io': 'true' }

/** FetchX509SVID of a cached SVID: on a warm connection, and on a new one that is attested first. The bench is the workload. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/bench', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  const socketMs = await socketRoundTrips(join(product.dir, 'echo.sock'))

  const channel = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
  await fetched(channel)
  const warm: number[] = []
  for (let at = 0; at < warmFetches + 500; at++) {
    const start = elapsedMs()
    await fetchOnce(channel)
    if (at >= 500) warm.push(elapsedMs() - start)
  }
  const fresh: number[] = []
  for (let at = 0; at < newConnections + 50; at++) {
    const start = elapsedMs()
    const one = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
    await fetchOnce(one)
    if (at >= 50) fresh.push(elapsedMs() - start)
    one.close()
  }
  channel.close()
  const limit = { value: percentile(socketMs, 0.5), unit: 'ms', of: 'p50 of a bare round trip over a Unix socket' }
  return {
    name: 'workload-api',
    figures: [
      { id: 'workload_api.warm_p50_ms', value: percentile(warm, 0.5), unit: 'ms', goal: '<= 0.7', limit },
      { id: 'workload_api.warm_p99_ms', value: percentile(warm, 0.99), unit: 'ms', goal: '<= 3', limit },
      { id: 'workload_api.new_p50_ms', value: percentile(fresh, 0.5), unit: 'ms', goal: '<= 1.5', limit, note: `p99 ${percentile(fresh, 0.99).toFixed(2)} ms; connect, attest, first message` },
    ],
  }
}

/** Waits until the entry has reached the agent. */
async function fetched(channel: RpcChannel): Promise<void> {
  for (const deadline = elapsedMs() + 10_000; elapsedMs() < deadline; ) {
    try {
      return await fetchOnce(channel)
    } catch {
      await systemClock.sleep(20, new AbortController().signal)
    }
  }
  throw new Error('no SVID within ten seconds')
}

async function fetchOnce(channel: RpcChannel): Promise<void> {
  for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata, timeoutMs: 5_000 })) {
    if (svids.length !== 1) throw new Error(`${svids.length} SVIDs`)
    return
  }
  throw new Error('the stream ended without a message')
}

async function socketRoundTrips(path: string): Promise<number[]> {
  const server = createServer((socket) => socket.pipe(socket)).listen(path)
  await once(server, 'listening')
  const socket = connect(path)
  await once(socket, 'connect')
  const samples: number[] = []
  for (let at = 0; at < 1_000; at++) {
    const start = elapsedMs()
    socket.write('x')
    await once(socket, 'data')
    samples.push(elapsedMs() - start)
  }
  socket.destroy()
  server.close()
  return samples
}
