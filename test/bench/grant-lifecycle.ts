import { parseArgs } from 'node:util'

import type { Request } from '../../src/rpc/services.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { TestVerifier } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import { selectors, wireRole, workspace } from '../support/server/grants.ts'
import { percentile, type Figure, type Report } from './figure.ts'
import { cpuMs, elapsedMs, p256Micros, residentMb } from './machine.ts'

const rounds = 200
const warmUp = 300
const lives = 2_000
const callers = 32
const idleMs = 20_000
/** What a burst left is given back by then. */
const settleMs = 10_000

/** Grants as an agent asks for them, policy decided and all of it durable: one after another until a verifier refuses what has ended; many at once; and `--grants 10000` that run. */
export async function bench(): Promise<Report> {
  const { values } = parseArgs({ args: process.argv.slice(2), strict: false, options: { grants: { type: 'string' } } })
  const many = Number(values['grants'] ?? 10_000)
  const limit = await p256Micros()
  await using product = await Product.start({ serverArgs: ['--log-level', 'warn'] })
  await using verifier = await TestVerifier.start(product, await product.startAgent())
  using agent = await AgentClient.join((await product.joinLine()).line)
  const { admin } = product
  for (const name of ['team-db', 'team-many']) await admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name, contact: '' })
  await admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: wireRole(agent.id), ifVersion: 0 })
  await admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: wireRole(agent.id, { name: 'many', spiffeId: 'spiffe://example.org/many', owner: 'team-many', budget: { seconds: 3_600 }, credentialTtlSeconds: 900 }), ifVersion: 0 })
  const task = new Tasks(agent)
  await Promise.all(Array.from({ length: callers }, async () => { for (let at = 0; at < warmUp / callers; at++) await task.live() }))
  const one = await oneByOne(task, verifier)
  const together = await atOnce(task, product, limit.sign + limit.verify)
  const standing = await running(many, task, product, verifier)
  return { name: 'grant-lifecycle', figures: [...one, ...together, ...standing] }
}

/** What an agent does for its tasks; the keys are made beforehand. */
class Tasks {
  readonly #agent: AgentClient
  readonly #csrs: Uint8Array[] = []
  #count = 0

  constructor(agent: AgentClient) {
    this.#agent = agent
  }

  get channel(): AgentClient['channel'] {
    return this.#agent.channel
  }

  prepare(count: number): void {
    while (this.#csrs.length < count) this.#csrs.push(buildCsr(PrivateKey.generate()))
  }

  async active(role = 'deploy'): Promise<{ readonly id: string; readonly chain: readonly Uint8Array[] }> {
    const instance = `process ${this.#count++}`
    const intent = { actions: ['write'], resources: ['db:orders'], workspace, reason: 'migration 42' }
    const { id, state, decision } = await this.channel.unary('mayfly.v1.GrantControl', 'Request', { request: { spiffeId: '', role, intent }, selectors: [...selectors], requester: 'uid:1000', instance, tier: 'pidfd' })
    if (state !== 'approved') throw new Error(`a request is ${state}: ${JSON.stringify(decision?.reasons ?? [])}`)
    const csr = this.#csrs.pop() ?? buildCsr(PrivateKey.generate())
    const { chain } = await this.channel.unary('mayfly.v1.GrantControl', 'Activate', { grantId: id, csr, selectors: [...selectors], instance, binding: 'process', tier: 'pidfd' })
    return { id, chain }
  }

  async end(grantId: string): Promise<void> {
    await this.channel.unary('mayfly.v1.GrantControl', 'End', { grantId, cause: 'completed', outcome: '' })
  }

  async live(): Promise<void> {
    await this.end((await this.active()).id)
  }
}

async function oneByOne(task: Tasks, verifier: TestVerifier): Promise<readonly Figure[]> {
  task.prepare(rounds)
  const [begun, ended, whole]: [number[], number[], number[]] = [[], [], []]
  for (let at = 0; at < rounds; at++) {
    const start = elapsedMs()
    const { id, chain } = await task.active()
    const active = elapsedMs()
    if (verifier.verdict(chain) !== 'accepted') throw new Error('an active grant is refused')
    const refused = verifier.refused(chain)
    const ending = elapsedMs()
    await Promise.all([task.end(id), refused])
    begun.push(active - start)
    ended.push(elapsedMs() - ending)
    whole.push(elapsedMs() - start)
  }
  const figure = (id: string, samples: readonly number[], what: string): Figure => ({ id, value: percentile(samples, 0.99), unit: 'ms', note: `${what}; p50 ${percentile(samples, 0.5).toFixed(1)} ms; ${rounds} one after another` })
  return [
    figure('grant_lifecycle.active_p99_ms', begun, 'request → policy twice → journal → activation, policy, journal, signature → the credential is there'),
    figure('grant_lifecycle.refused_p99_ms', ended, 'end → durable → signed into the stream → refused by a verifier behind an agent'),
    figure('grant_lifecycle.whole_p99_ms', whole, 'all of it'),
  ]
}

async function atOnce(task: Tasks, product: Product, primitivesUs: number): Promise<readonly Figure[]> {
  task.prepare(lives)
  const before = await product.admin.unary('mayfly.v1.Status', 'Get', {})
  const cpuBefore = cpuMs(product.server.pid)
  const start = elapsedMs()
  let begun = 0
  await Promise.all(Array.from({ length: callers }, async () => { while (begun++ < lives) await task.live() }))
  const seconds = (elapsedMs() - start) / 1_000
  const cpuUs = ((cpuMs(product.server.pid) - cpuBefore) * 1_000) / lives
  const after = await product.admin.unary('mayfly.v1.Status', 'Get', {})
  const note = `${lives} grants, ${callers} callers on one connection; ${after.commits - before.commits} commits with fsync, ${after.csrChecks - before.csrChecks} CSR checks, ${after.signatures - before.signatures} signatures; requested, activated and ended, each journaled`
  return [
    { id: 'grant_lifecycle.per_second', value: lives / seconds, unit: '1/s', limit: { value: 1e6 / primitivesUs, unit: '1/s', of: 'one P-256 sign + one verify on one core' }, note },
    { id: 'grant_lifecycle.server_cpu_us', value: cpuUs, unit: 'us', limit: { value: primitivesUs, unit: 'us', of: 'the same' } },
  ]
}

async function running(many: number, task: Tasks, product: Product, verifier: TestVerifier): Promise<readonly Figure[]> {
  const ids: string[] = []
  const over = new AbortController()
  const vouching = vouch(task, ids, over.signal)
  try {
    return await measured(many, ids, task, product, verifier)
  } finally {
    over.abort()
    await vouching
  }
}

async function measured(many: number, ids: string[], task: Tasks, product: Product, verifier: TestVerifier): Promise<readonly Figure[]> {
  const { signal } = new AbortController()
  await systemClock.sleep(settleMs, signal)
  const rssBefore = residentMb(product.server.pid)
  task.prepare(many)
  let begun = 0
  let last: readonly Uint8Array[] = []
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (begun++ < many) {
        const { id, chain } = await task.active('many')
        ids.push(id)
        last = chain
      }
    }),
  )
  await systemClock.sleep(5_000, signal)
  const cpuBefore = cpuMs(product.server.pid)
  await systemClock.sleep(idleMs, signal)
  const idle = (cpuMs(product.server.pid) - cpuBefore) / (idleMs / 1_000)
  const rss = residentMb(product.server.pid)
  const { grants } = await product.admin.unary('mayfly.v1.GrantAdmin', 'List', { states: ['active'], owner: { value: 'team-many' }, pageSize: 1 })
  if (grants.length === 0) throw new Error('they are not active any more')
  const before = await otherWrites(product, systemClock.sleep(3_000, signal))
  const start = elapsedMs()
  const refused = verifier.refused(last).then(() => elapsedMs() - start)
  const ending = product.admin.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name: 'team-many', endAll: true, expect: { value: many } }, { timeoutMs: 120_000 }).then((end) => ({ end, answeredMs: elapsedMs() - start }))
  const meanwhile = await otherWrites(product, ending)
  const { end, answeredMs } = await ending
  const refusedMs = await refused
  return [
    { id: 'grant_lifecycle.running_active_mb', value: rss - rssBefore, unit: 'MB', note: `${rss.toFixed(0)} MB with ${many} active grants, ${rssBefore.toFixed(0)} MB before; ${idleMs / 1_000 + 5} s after the last of them, ${((rss - rssBefore) * 1e3 / many).toFixed(1)} kB each` },
    { id: 'grant_lifecycle.running_idle_cpu_ms', value: idle, unit: 'ms/s', note: `server CPU a second while ${many} grants run and their agent vouches for each every 5 s` },
    { id: 'grant_lifecycle.running_end_ms', value: answeredMs, unit: 'ms', note: `RemoveOwner ended ${end.grants} grants, ${end.credentials} credentials; the newest of them was refused at a verifier after ${refusedMs.toFixed(0)} ms` },
    { id: 'grant_lifecycle.running_stall_ms', value: Math.max(...meanwhile), unit: 'ms', limit: { value: Math.max(...before), unit: 'ms', of: 'the longest of the same calls in 3 s before' }, note: `the longest that another durable change waited meanwhile, of ${meanwhile.length} one after another; p50 ${percentile(meanwhile, 0.5).toFixed(1)} ms, p99 ${percentile(meanwhile, 0.99).toFixed(1)} ms; before p50 ${percentile(before, 0.5).toFixed(1)} ms` },
  ]
}

/** How long each of other changes takes, one after another, until that is over. */
async function otherWrites(product: Product, over: Promise<unknown>): Promise<readonly number[]> {
  const took: number[] = []
  const done = new AbortController()
  over.then(() => done.abort(), () => done.abort())
  do {
    const start = elapsedMs()
    await product.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team-db', contact: `#${took.length} ${start}` }, { timeoutMs: 60_000 })
    took.push(elapsedMs() - start)
  } while (!done.signal.aborted)
  return took
}

async function vouch(task: Tasks, ids: readonly string[], signal: AbortSignal): Promise<void> {
  async function* messages(): AsyncGenerator<Request<'mayfly.v1.Sync', 'Connect'>> {
    yield { hello: { agentVersion: 'bench' } }
    while (!signal.aborted) {
      yield { alive: { grantIds: [...ids] } }
      await systemClock.sleep(5_000, signal).catch(() => undefined) // over
    }
  }
  try {
    for await (const said of task.channel.bidi('mayfly.v1.Sync', 'Connect', messages(), { signal })) if (signal.aborted) return void said
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
