import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

import { fetchSvids } from '../../src/cli/svids.ts'
import { requestGrant } from '../../src/client/index.ts'
import { openSqliteStore } from '../../server/store/sqlite/open.ts'
import { migrations } from '../../server/store/sqlite/migrations.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { Held } from '../support/product/held.ts'
import { mint, type Minted } from '../support/product/mint.ts'
import { olderTree } from '../support/product/older.ts'
import { main, node24, Program } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'
import { skipAloud } from '../support/processes/processes.ts'

const older = olderTree()
if (older === undefined) skipAloud('real servers and agents of the version before: its commit is not in this clone (test/proto/wire-grows.test.ts and test/rpc/later-version.test.ts hold the wire)')
afterAll(() => older?.[Symbol.dispose]())

const uid = process.getuid?.() ?? 0
const now = {}
const before = older === undefined ? {} : { tree: older.path }
const patience = (): AbortSignal => AbortSignal.timeout(120_000)

async function revoke(product: Product, { serial }: Minted): Promise<void> {
  await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
}

/** It is refused from now on, and soon by its own name: an outage that lasts longer on a busy machine makes all of them stale first. */
async function revoked(verifier: TestVerifier, { chain }: Minted): Promise<void> {
  await verifier.refused(chain)
  for (const over = patience(); verifier.verdict(chain) !== 'revoked'; ) {
    expect(verifier.verdict(chain)).not.toBe('accepted')
    await systemClock.sleep(50, over)
  }
}

/** A task from its request to the refusal of its identity. */
async function task(agent: AgentProcess, verifier: TestVerifier): Promise<void> {
  const grant = await requestGrant({ as: jobId, do: ['write'], on: ['db:orders'], reason: 'upgrade' }, { endpoint: `unix://${agent.workloadSocket}`, signal: patience() })
  using channel = RpcChannel.connectUnix(grant.endpoint.slice('unix://'.length), { clock: systemClock })
  const [svid] = await fetchSvids(channel, patience())
  for (const over = patience(); !(await grant.step('write', 'db:orders')).allowed; ) await systemClock.sleep(500, over) // on a busy machine the agent may be behind for a moment, and then denies
  await grant.complete()
  await verifier.refused(svid?.chain ?? [])
}

/** Workloads that hold their identities, one at each agent, and are looked at all the time. */
class Workloads implements AsyncDisposable {
  readonly held: readonly Held[]
  /** What went wrong so far. */
  readonly failures: string[] = []
  readonly #stop = new AbortController()
  readonly #looking: Promise<void>

  constructor(agents: readonly AgentProcess[]) {
    this.held = agents.map(({ workloadSocket }) => new Held(workloadSocket))
    this.#looking = this.#look()
  }

  async have(spiffeId: string): Promise<void> {
    for (const held of this.held) await held.until((svids) => svids.get(spiffeId), patience())
  }

  /** The ID's credentials are replaced, and each of them has another. */
  async rotated(product: Product, spiffeId: string): Promise<void> {
    const serials = this.held.map(({ svids }) => svids.get(spiffeId)?.serial)
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId }, rotate: true, reason: 'test' })
    for (const [at, held] of this.held.entries()) await held.until((svids) => (svids.get(spiffeId)?.serial === serials[at] ? undefined : svids.get(spiffeId)), patience())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#looking
    for (const held of this.held) await held[Symbol.asyncDispose]()
  }

  async #look(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const nowMs = systemClock.nowMs()
      for (const { svids } of this.held) for (const { spiffeId, leaf } of svids.values()) if (leaf.notAfterMs < nowMs) this.failures.push(`${spiffeId} was held past its end`)
      await systemClock.sleep(100, signal).catch(() => undefined) // only aborts
    }
  }
}

test.skipIf(older === undefined)('a server and its agents are upgraded one after another under load, and an agent goes back: no workload loses its identity, no revocation is missed', async () => {
  await using product = await Product.start({ server: before, agent: before })
  const agents = [await product.startAgent(), await product.startAgent()]
  const parents = await product.agentIds()
  const entry = async (name: string): Promise<string> => {
    const spiffeId = `spiffe://${product.trustDomain}/${name}`
    await product.createEntries(parents.map((parentId) => ({ spiffeId, parentId, selectors: [`unix:uid:${uid}`] })))
    return spiffeId
  }
  const web = await entry('web')
  await jobRole(product)
  const [first, second] = agents
  if (first === undefined || second === undefined) throw new Error('no agents')
  await using workloads = new Workloads(agents)
  await workloads.have(web)
  await using verifier = await TestVerifier.start(product, first)
  const stolen = [await mint(product, 'a'), await mint(product, 'b'), await mint(product, 'c'), await mint(product, 'd')] as const
  for (const { chain } of stolen) expect(verifier.verdict(chain)).toBe('accepted')

  // the server
  await revoke(product, stolen[0])
  await product.killServer('SIGTERM')
  await product.startServer(now)
  await revoked(verifier, stolen[0])
  await revoke(product, stolen[1])
  await revoked(verifier, stolen[1])
  await workloads.have(await entry('made-after'))
  await workloads.rotated(product, web)
  await task(first, verifier)

  // one agent, and then it goes back, while the other has stayed as it was
  for (const version of [now, before]) {
    await second.kill('SIGTERM')
    await second.start(version)
    await workloads.rotated(product, web)
  }
  await workloads.have(await entry('made-later'))

  // both
  for (const agent of agents) {
    await agent.kill('SIGTERM')
    await agent.start(now)
  }
  await workloads.rotated(product, web)
  await revoke(product, stolen[2])
  await revoked(verifier, stolen[2])
  await task(first, verifier)

  // the server cannot go back on the same file: it says so and changes nothing
  await product.killServer('SIGTERM')
  const file = join(product.dir, 'server/mayfly.db')
  const digest = (): string => createHash('sha256').update(readFileSync(file)).digest('hex')
  const untouched = digest()
  const back = new Program(node24, [main('server', older?.path), '--trust-domain', product.trustDomain, '--data', join(product.dir, 'server'), '--listen', product.address])
  expect(await back.ended()).toBe(1)
  expect(back.errors).toMatch(new RegExp(`^mayfly: the store is of version ${migrations.length}, this mayfly knows \\d+\\nhint: use the mayfly that wrote it`, 'm'))
  expect(digest()).toBe(untouched)
  await product.startServer(now)
  await revoke(product, stolen[3])
  await revoked(verifier, stolen[3])
  expect(workloads.failures).toEqual([])
  expect(workloads.held.flatMap(({ lost }) => lost)).toEqual([])

  // what both versions wrote is one journal
  await product.killServer('SIGTERM')
  await using store = await openSqliteStore({ path: file, trustDomain: product.trustDomain, nowMs: systemClock.nowMs() })
  expect((await store.journal.verify()).records).toBeGreaterThan(20)
})

test.skipIf(older === undefined)('an agent that was upgraded before its server joins, serves, rotates, takes revocations and grants, and stays when the server follows', async () => {
  await using product = await Product.start({ server: before })
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  const web = `spiffe://${product.trustDomain}/web`
  await product.createEntries([{ spiffeId: web, parentId, selectors: [`unix:uid:${uid}`] }])
  await jobRole(product)
  await using workloads = new Workloads([agent])
  await workloads.have(web)
  await using verifier = await TestVerifier.start(product, agent)
  const stolen = await mint(product, 'stolen')
  await revoke(product, stolen)
  await revoked(verifier, stolen)
  await task(agent, verifier)
  await workloads.rotated(product, web)
  await product.killServer('SIGTERM')
  await product.startServer(now)
  await workloads.rotated(product, web)
  await task(agent, verifier)
  expect(workloads.failures).toEqual([])
  expect(workloads.held.flatMap(({ lost }) => lost)).toEqual([])
})
