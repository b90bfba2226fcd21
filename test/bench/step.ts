import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { jobId, jobRole } from '../support/product/grants.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'
import { percentile, type Figure, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'
import { canOwnCore, giveOwnCore } from './own-core.ts'

/** Until V8 has compiled both ends. */
const warmups = 1_500
const rounds = 2_000
/** Before each series: the agent takes 4,000 steps of a grant at once, then 1,000 a second. */
const restMs = 4_000
/** More kinds of steps than an engine of policy remembers, so that one after the other is decided anew. */
const kinds = 50
const resources = Array.from({ length: kinds }, (_, at) => `db:orders-${at}`)
const [usual = ''] = resources

/**
 * One step of a grant, decided at the agent by policy, leased budget and state, and put into the record: from the call to the answer, on the grant's own socket, over HTTP on a connection that is
 * kept (`POST /step`) and over gRPC. Beside each the same call to somebody who does nothing. First while all share the cores, the server too, which in life is on another machine; then,
 * where the machine has more than one, with the main threads of agent and client, which take turns, on a core that is theirs.
 */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  await jobRole(product, { budget: { seconds: 600, renewals: 20, steps: 100_000, children: 0, depth: 0 } })
  using workload = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
  const { id, socket } = await ownGrant(workload)

  const http = await timesOf(postTo(socket))
  let at = 0
  const unlike = await timesOf(postTo(socket, () => resources[at++ % kinds]))
  const bareHttp = await bareHttpTimes(join(product.dir, 'bare.sock'))
  using own = RpcChannel.connectUnix(socket, { clock: systemClock })
  const grpc = await timesOf(async () => {
    const { allowed, reasons } = await own.unary('mayfly.v1.Grants', 'Step', stepOf(usual))
    if (!allowed) throw new Error(`a step was denied: ${reasons.join(', ')}`)
  })
  const bareGrpc = await timesOf(async () => void (await own.unary('grpc.health.v1.Health', 'Check', { service: '' })))
  const apart = canOwnCore() ? await ownCoreTimes(product, agent, socket) : undefined
  await workload.unary('mayfly.v1.Grants', 'End', { grantId: id, cause: 'completed' })
  const bare = 'a bare node:http server in a process of its own that reads the same and answers, p99'
  return {
    name: 'step',
    figures: [
      figureOf('step.p99_us', http, bareHttp, 'the same step each time by POST /step, HTTP/1.1 on one connection', bare),
      figureOf('step.unlike_p99_us', unlike, bareHttp, `as before, ${kinds} kinds of steps in turn, so that policy is asked at each`, bare),
      figureOf('step.grpc_p99_us', grpc, bareGrpc, 'mayfly.v1.Grants/Step', 'a call on the same socket that does nothing, p99'),
      ...(apart === undefined ? [] : [figureOf('step.own_core_p99_us', apart.http, apart.bare, 'POST /step, with agent and client on a core that nobody else takes', bare)]),
    ],
  }
}

function figureOf(id: string, times: readonly number[], bare: readonly number[], how: string, of: string): Figure {
  const micros = (all: readonly number[], share: number): number => percentile(all, share) * 1_000
  const note = `${how}: p50 ${micros(times, 0.5).toFixed(0)} µs, of the empty call ${micros(bare, 0.5).toFixed(0)} µs; ${rounds} steps one after the other, each recorded`
  return { id, value: micros(times, 0.99), unit: 'µs', goal: '<= 1000', limit: { value: micros(bare, 0.99), unit: 'µs', of }, note }
}

/** A grant that this process asks for and is bound to. */
async function ownGrant(workload: RpcChannel): Promise<{ readonly id: string; readonly socket: string }> {
  const wanted = { spiffeId: jobId, role: 'job', intent: { actions: ['write'], resources, reason: 'a measurement' } }
  for await (const { grant } of workload.serverStream('mayfly.v1.Grants', 'Request', wanted)) {
    if (grant?.state !== 'approved') continue
    const life = workload.serverStream('mayfly.v1.Grants', 'Bind', { grantId: grant.id })
    const { value } = await life.next()
    return { id: grant.id, socket: value?.socket ?? '' }
  }
  throw new Error('no grant was given')
}

function stepOf(resource: string): { readonly action: string; readonly resource: string; readonly description: string } {
  return { action: 'write', resource, description: 'measured' }
}

/** Takes one step over HTTP. Each over the connection of the one before. */
function postTo(socketPath: string, next: () => string | undefined = () => usual): () => Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return async () =>
    new Promise<void>((resolve, reject) => {
      const body = JSON.stringify(stepOf(next() ?? usual))
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const call = request({ socketPath, path: '/step', method: 'POST', agent, headers }, (response) => {
        response.setEncoding('utf8')
        let text = ''
        response.on('data', (part: string) => (text += part))
        response.once('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`a step was denied: ${text}`))))
      })
      call.once('error', reject)
      call.end(body)
    })
}

/** Takes the other cores from this process and the agent, and the last from all else, for good: the last series. */
async function ownCoreTimes(product: Product, agent: AgentProcess, socket: string): Promise<{ readonly http: readonly number[]; readonly bare: readonly number[] }> {
  giveOwnCore([process.pid, agent.program?.pid ?? 0], [product.server.pid])
  const http = await timesOf(postTo(socket))
  return { http, bare: await bareHttpTimes(join(product.dir, 'bare-apart.sock'), (pid) => giveOwnCore([pid], [])) }
}

async function bareHttpTimes(path: string, place: (pid: number) => void = () => undefined): Promise<number[]> {
  const server = fork(join(import.meta.dirname, 'bare-http.ts'), [path])
  try {
    await once(server, 'message')
    place(server.pid ?? 0)
    return await timesOf(postTo(path))
  } finally {
    server.disconnect()
  }
}

/** Of steps, or calls, one after the other; after a pause for what the ones before left to do. */
async function timesOf(act: () => Promise<void>): Promise<number[]> {
  await rest(restMs)
  for (let at = 0; at < warmups; at++) await act()
  const times: number[] = []
  for (let at = 0; at < rounds; at++) {
    const start = elapsedMs()
    await act()
    times.push(elapsedMs() - start)
  }
  return times
}
