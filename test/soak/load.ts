import { rmSync } from 'node:fs'

import { requestGrant } from '../../src/client/index.ts'
import { fetchSvids } from '../../src/cli/svids.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { jobId, TestVerifier } from '../support/product/grants.ts'
import { Held } from '../support/product/held.ts'
import type { AgentProcess, Product } from '../support/product/product.ts'
import { wireId } from '../support/product/product.ts'

/** What has been done so far, and what went wrong. */
export interface Tally {
  fetches: number
  revocations: number
  /** From the call to the refusal. */
  slowestRevocationMs: number
  grants: number
  agents: number
  readonly failures: string[]
}

export interface Joined {
  readonly agent: AgentProcess
  readonly id: string
}

/** Starts one more agent; agents are joined one at a time. */
export async function joined(product: Product, args: readonly string[] = []): Promise<Joined> {
  const known = new Set(await product.agentIds())
  const agent = await product.startAgent(args)
  const [id = ''] = (await product.agentIds()).filter((one) => !known.has(one))
  return { agent, id }
}

/** How often each is done. */
export interface Pace {
  readonly fetchMs: number
  readonly revokeMs: number
  readonly grantMs: number
  readonly agentMs: number
}

const uid = process.getuid?.() ?? 0
const patienceMs = 60_000
const keptFailures = 100

/** What goes on at a product day in, day out: workloads that hold SVIDs and others that fetch and go, revocations, grants, agents that come and go; each checked. */
export class Load implements AsyncDisposable {
  readonly tally: Tally = { fetches: 0, revocations: 0, slowestRevocationMs: 0, grants: 0, agents: 0, failures: [] }
  readonly #product: Product
  readonly #stop = new AbortController()
  readonly #held: readonly Held[]
  readonly #verifier: TestVerifier
  readonly #first: Joined
  #running: Promise<unknown> = Promise.resolve()

  private constructor(product: Product, first: Joined, held: readonly Held[], verifier: TestVerifier) {
    this.#product = product
    this.#first = first
    this.#held = held
    this.#verifier = verifier
  }

  /** @param agents those that stay; the first is where things are revoked and granted */
  static async start(product: Product, agents: readonly Joined[], pace: Pace): Promise<Load> {
    const [first] = agents
    if (first === undefined) throw new Error('the soak needs an agent')
    const load = new Load(product, first, agents.map(({ agent }) => new Held(agent.workloadSocket)), await TestVerifier.start(product, first.agent))
    const { signal } = load.#stop
    load.#running = Promise.all([
      load.#again('a workload is served', 1_000, async () => load.#served()),
      load.#again('a fetch', pace.fetchMs, async () => load.#fetch(agents)),
      load.#again('a revocation', pace.revokeMs, async () => load.#revoke(withinPatience(signal))),
      load.#again('a grant', pace.grantMs, async () => load.#grant(withinPatience(signal))),
      load.#again('an agent that comes and goes', pace.agentMs, async () => load.#agent()),
    ])
    return load
  }

  get rotations(): number {
    return this.#held.reduce((sum, { rotations }) => sum + rotations, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    for (const held of this.#held) await held[Symbol.asyncDispose]()
    await this.#verifier[Symbol.asyncDispose]()
  }

  /** Until the end; a failure is written down and the next turn comes all the same. */
  async #again(what: string, everyMs: number, turn: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await turn()
      } catch (error) {
        if (!signal.aborted && this.tally.failures.length < keptFailures) this.tally.failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      }
      await systemClock.sleep(everyMs, signal).catch(() => undefined) // only aborts
    }
  }

  /** No SVID that a workload holds has expired. */
  async #served(): Promise<void> {
    const nowMs = systemClock.nowMs()
    for (const { svids } of this.#held) for (const { spiffeId, leaf } of svids.values()) if (leaf.notAfterMs < nowMs) throw new Error(`${spiffeId} was held ${nowMs - leaf.notAfterMs} ms past its end`)
  }

  async #fetch(agents: readonly Joined[]): Promise<void> {
    const { agent } = agents[this.tally.fetches % agents.length] ?? this.#first
    using channel = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
    const svids = await fetchSvids(channel, withinPatience(this.#stop.signal))
    if (svids.length === 0) throw new Error('nothing was fetched')
    this.tally.fetches++
  }

  /** One serial first, which is replaced; then the whole entry goes. */
  async #revoke(signal: AbortSignal): Promise<void> {
    const [held] = this.#held
    const { admin } = this.#product
    if (held === undefined) return
    const spiffeId = `spiffe://${this.#product.trustDomain}/round/${this.tally.revocations}`
    const [id = ''] = await this.#product.createEntries([{ spiffeId, parentId: this.#first.id, selectors: [`unix:uid:${uid}`] }])
    try {
      const first = await held.until((svids) => svids.get(spiffeId), signal)
      const startedMs = systemClock.nowMs()
      await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: first.serial.padStart(34, '0') }, reason: 'soak' })
      await this.#verifier.refused(first.chain)
      this.tally.slowestRevocationMs = Math.max(this.tally.slowestRevocationMs, systemClock.nowMs() - startedMs)
      await held.until((svids) => (svids.get(spiffeId)?.serial === first.serial ? undefined : svids.get(spiffeId)), signal)
      this.tally.revocations++
    } finally {
      await admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [id] })
    }
    await held.until((svids) => (svids.has(spiffeId) ? undefined : true), signal)
  }

  async #grant(signal: AbortSignal): Promise<void> {
    const endpoint = `unix://${this.#first.agent.workloadSocket}`
    await using grant = await requestGrant({ as: jobId, do: ['write'], on: ['db:orders'], reason: 'soak' }, { endpoint, signal })
    using channel = RpcChannel.connectUnix(grant.endpoint.slice('unix://'.length), { clock: systemClock })
    const [svid] = await fetchSvids(channel, signal)
    if (svid === undefined) throw new Error('a grant without an SVID')
    while (!(await grant.step('write', 'db:orders')).allowed) await systemClock.sleep(500, signal) // an agent that is behind for a moment, on a busy machine, denies
    await grant.complete()
    await this.#verifier.refused(svid.chain)
    this.tally.grants++
  }

  /** It joins, serves a workload, ends in one way or another, and is evicted. */
  async #agent(): Promise<void> {
    const { agent, id } = await joined(this.#product)
    try {
      await this.#product.createEntries([{ spiffeId: `spiffe://${this.#product.trustDomain}/passing`, parentId: id, selectors: [`unix:uid:${uid}`] }])
      const held = new Held(agent.workloadSocket)
      try {
        await held.until((svids) => svids.values().next().value, withinPatience(this.#stop.signal))
      } finally {
        await held[Symbol.asyncDispose]()
      }
    } finally {
      await agent.kill(this.tally.agents % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
      await this.#product.admin.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id: wireId(id) })
      const { entries } = await this.#product.admin.unary('mayfly.v1.Registry', 'ListEntries', { filter: { parentId: { value: id } } })
      await this.#product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: entries.map(({ entry }) => entry?.id ?? '') })
      rmSync(agent.dir, { recursive: true, force: true })
    }
    this.tally.agents++
  }
}

/** A turn that takes longer has failed. */
function withinPatience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
}
