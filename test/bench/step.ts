import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { jobId, jobRole } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const warmups = 200
const rounds = 2_000

/** One step of a grant, decided at the agent by policy, leased budget and state, and put into the record: from the call to the answer, over gRPC on the grant's own socket. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  await jobRole(product, { budget: { seconds: 600, renewals: 20, steps: 100_000, children: 0, depth: 0 } })
  using workload = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
  const { id, socket } = await ownGrant(workload)
  using own = RpcChannel.connectUnix(socket, { clock: systemClock })
  const step = async (): Promise<void> => {
    const { allowed, reasons } = await own.unary('mayfly.v1.Grants', 'Step', { action: 'write', resource: 'db:orders', description: 'measured' })
    if (!allowed) throw new Error(`a step was denied: ${reasons.join(', ')}`)
  }
  const steps = await timesOf(step)
  const calls = await timesOf(async () => void (await own.unary('grpc.health.v1.Health', 'Check', { service: '' })))
  await workload.unary('mayfly.v1.Grants', 'End', { grantId: id, cause: 'completed' })
  return {
    name: 'step',
    figures: [
      {
        id: 'step.p99_us',
        value: percentile(steps, 0.99) * 1_000,
        unit: 'µs',
        goal: '<= 1000',
        limit: { value: percentile(calls, 0.99) * 1_000, unit: 'µs', of: 'a call on the same socket that does nothing, p99' },
        note: `p50 ${(percentile(steps, 0.5) * 1_000).toFixed(0)} µs, of the empty call ${(percentile(calls, 0.5) * 1_000).toFixed(0)} µs; ${rounds} steps one after the other, each recorded`,
      },
    ],
  }
}

/** A grant that this process asks for and is bound to. */
async function ownGrant(workload: RpcChannel): Promise<{ readonly id: string; readonly socket: string }> {
  const request = { spiffeId: jobId, role: 'job', intent: { actions: ['write'], resources: ['db:orders'], reason: 'a measurement' } }
  for await (const { grant } of workload.serverStream('mayfly.v1.Grants', 'Request', request)) {
    if (grant?.state !== 'approved') continue
    const life = workload.serverStream('mayfly.v1.Grants', 'Bind', { grantId: grant.id })
    const { value } = await life.next()
    return { id: grant.id, socket: value?.socket ?? '' }
  }
  throw new Error('no grant was given')
}

async function timesOf(act: () => Promise<void>): Promise<number[]> {
  for (let at = 0; at < warmups; at++) await act()
  const times: number[] = []
  for (let at = 0; at < rounds; at++) {
    const start = elapsedMs()
    await act()
    times.push(elapsedMs() - start)
  }
  return times
}
