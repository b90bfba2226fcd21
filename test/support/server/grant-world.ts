import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { IssuancePipeline } from '../../../server/ca/pipeline.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { SignerPool } from '../../../server/ca/signer-pool.ts'
import { Grants } from '../../../server/grants/grants.ts'
import type { IssuedCredential, IssueWish } from '../../../server/grants/issuing.ts'
import type { AttestedWish } from '../../../server/grants/requests.ts'
import type { Store } from '../../../server/store/port.ts'
import { openSqliteStore } from '../../../server/store/sqlite/open.ts'
import type { Grant, GrantRole, GrantState } from '../../../src/core/grant/grant.ts'
import type { PolicyDecider, PolicyDecision, PolicyRequest } from '../../../src/core/grant/policy-request.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../../src/core/spiffe-id.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { KeptLog } from '../agent/quiet.ts'
import { testAuthority } from '../ca/test-ca.ts'
import { FakeClock } from '../fake-clock.ts'
import { sha256 } from '../store/samples.ts'

const trustDomain = parseTrustDomain('example.test')
export const agentId: SpiffeId = parseSpiffeId('spiffe://example.test/spire/agent/join_token/one')
export const otherAgentId: SpiffeId = parseSpiffeId('spiffe://example.test/spire/agent/join_token/two')
export const workspace = { system: 'shop', environment: 'staging', tenant: '' }
export const allows: PolicyDecision = { allowed: true, reasons: ['permit'], policyHash: '00'.repeat(32), approvalsWanted: 0 }
const noBudget = { seconds: 0, renewals: 0, steps: 0, children: 0, depth: 0 }

export function denies(reason: string, approvalsWanted = 0): PolicyDecision {
  return { ...allows, allowed: false, reasons: [reason], approvalsWanted }
}

/** Grants on a real store and a real pipeline, under a clock and a policy of the test's. Everything is closed when the test is over. */
export class GrantWorld {
  readonly clock: FakeClock
  readonly log: KeptLog = new KeptLog()
  readonly #folder: string
  readonly #pool: SignerPool
  readonly #authority: Awaited<ReturnType<typeof testAuthority>>
  /** What policy says; may be replaced at any time. */
  decide: (request: PolicyRequest) => PolicyDecision = () => allows
  /** Of the policy in force. */
  policyHash: string = allows.policyHash
  /** Whether agents are where roles want their requesters. */
  isUnder = (agent: SpiffeId, parentId: SpiffeId): boolean => agent === parentId
  #running: { readonly store: Store; readonly grants: Grants; readonly pipeline: IssuancePipeline } | undefined

  private constructor(clock: FakeClock, folder: string, pool: SignerPool, authority: Awaited<ReturnType<typeof testAuthority>>) {
    this.clock = clock
    this.#folder = folder
    this.#pool = pool
    this.#authority = authority
  }

  static async start(): Promise<GrantWorld> {
    const clock = new FakeClock(Date.UTC(2026, 5, 1, 12))
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    const world = new GrantWorld(clock, folder, new SignerPool(1), await testAuthority(clock))
    onTestFinished(async () => {
      await world.stop()
      await world.#pool[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    })
    await world.open()
    const by = { name: 'test', atMs: clock.nowMs() }
    const { id, certificate } = world.#authority
    await world.store.authorities.prepare({ id, certificate: certificate.raw, keyName: 'one', notBeforeMs: certificate.notBeforeMs, notAfterMs: certificate.notAfterMs, preparedAtMs: clock.nowMs() }, by)
    await world.store.authorities.activate(id, by)
    for (const agent of [agentId, otherAgentId]) {
      await world.store.agents.createJoinToken({ tokenHash: sha256(agent), agentId: agent, expiresAtMs: clock.nowMs() + 600_000 }, by)
      await world.store.agents.redeemJoinToken(sha256(agent), clock.nowMs())
    }
    await world.store.owners.put({ name: 'team-db', contact: '' }, by)
    await world.putRole()
    return world
  }

  get store(): Store {
    if (this.#running === undefined) throw new Error('the world is stopped')
    return this.#running.store
  }

  get grants(): Grants {
    if (this.#running === undefined) throw new Error('the world is stopped')
    return this.#running.grants
  }

  get decider(): PolicyDecider {
    return { hash: this.policyHash, decide: (request) => this.decide(request) }
  }

  /** As a server does that starts. */
  async open(): Promise<void> {
    const { clock, log } = this
    const store = await openSqliteStore({ path: join(this.#folder, 'mayfly.db'), trustDomain, nowMs: clock.nowMs() }, {})
    await store.credentials.abandonUnreleased(clock.nowMs())
    const pipeline = new IssuancePipeline({ profiles: loadProfiles(), authorities: { active: () => this.#authority }, pool: this.#pool, credentials: store.credentials, clock, random: systemRandom, log })
    const registry = { isUnder: (agent: SpiffeId, parentId: SpiffeId) => this.isUnder(agent, parentId) }
    const grants = await Grants.start({ store, registry, decider: async () => this.decider, policyHash: () => this.policyHash, issuer: pipeline, maxTtlSeconds: 3_600, trustDomain, clock, random: systemRandom, log })
    this.#running = { store, grants, pipeline }
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return
    await this.#compare(running)
    await running.grants[Symbol.asyncDispose]()
    await running.pipeline[Symbol.asyncDispose]()
    await running.store[Symbol.asyncDispose]()
  }

  /** What the main thread knows by following each commit is what the store holds. */
  async #compare({ store, grants }: { readonly store: Store; readonly grants: Grants }): Promise<void> {
    await store.journal.head()
    const { items } = await store.grants.live({ size: 1_000 })
    expect([...grants.index.all()].toSorted((left, right) => (left.id < right.id ? -1 : 1))).toEqual(items)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.open()
  }

  async putRole(changed: Partial<GrantRole> = {}): Promise<GrantRole> {
    const { version, ...role } = this.role(changed)
    const known = await this.store.roles.byName(role.name)
    return await this.store.roles.put(role, known?.version ?? version, { name: 'test', atMs: this.grants.nowMs() })
  }

  role(changed: Partial<GrantRole> = {}): GrantRole {
    return {
      name: 'deploy',
      spiffeId: parseSpiffeId('spiffe://example.test/deploy-bot'),
      owner: 'team-db',
      requesters: [{ parentId: agentId, selectors: ['unix:uid:1000'] }],
      intents: [{ actions: ['read', 'write'], resources: ['db:orders', 'db:users'], dataClass: 'internal', workspace }],
      budget: { seconds: 600, renewals: 5, steps: 20, children: 3, depth: 2 },
      credentialTtlSeconds: 300,
      approvalTtlSeconds: 120,
      approvals: 0,
      approvers: [],
      minTier: 'pid',
      progressSeconds: 0,
      endOnSecondUse: false,
      confirmActions: [],
      approveActions: [],
      probes: [],
      version: 0,
      ...changed,
    }
  }

  wish(changed: Partial<AttestedWish> = {}): AttestedWish {
    return {
      spiffeId: 'spiffe://example.test/deploy-bot',
      role: '',
      intent: { actions: ['write'], resources: ['db:orders'], workspace, reason: 'migration 42' },
      ttlSeconds: 0,
      budget: noBudget,
      requester: 'uid:1000',
      instance: 'process 1',
      parentGrantId: '',
      insideGrantId: '',
      attested: { selectors: ['unix:uid:1000'], tier: 'pidfd', probes: [], progressSecondsAgo: 0 },
      ...changed,
    }
  }

  async request(changed: Partial<AttestedWish> = {}, agent: SpiffeId = agentId): Promise<Grant> {
    return await this.grants.request(this.wish(changed), agent)
  }

  async issue(kind: 'activate' | 'renew', grantId: string, changed: Partial<IssueWish> = {}, agent: SpiffeId = agentId): Promise<IssuedCredential> {
    const { attested, instance } = this.wish()
    return await this.grants.issue(kind, { grantId, csr: buildCsr(PrivateKey.generate()), instance, binding: 'process', attested, ...changed }, agent, new AbortController().signal)
  }

  async active(changed: Partial<AttestedWish> = {}): Promise<Grant> {
    const { id } = await this.request(changed)
    return (await this.issue('activate', id, changed.instance === undefined ? {} : { instance: changed.instance })).grant
  }

  /** Resolves with the grant once it is in one of these states. */
  async became(id: string, ...states: readonly GrantState[]): Promise<Grant> {
    const { promise, resolve } = Promise.withResolvers<Grant>()
    using following = this.grants.index.onChange((grant) => {
      if (grant.id === id && states.includes(grant.state)) resolve(grant)
    })
    void following // held until it is
    const now = await this.store.grants.byId(id)
    if (now !== undefined && states.includes(now.state)) return now
    return await promise
  }

  /** Lets seconds pass one by one, and all that the server does in each. With `alive` the agent vouches for these every five. */
  async pass(seconds: number, alive?: readonly string[]): Promise<void> {
    for (let second = 1; second <= seconds; second++) {
      if (alive !== undefined && second % 5 === 1) this.grants.heard(agentId, alive, [])
      await this.clock.advance(1_000)
      await this.settled()
    }
  }

  /** What the server had begun has reached the store. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await this.store.journal.head()
  }

  /** How the ledger has a credential. */
  async ledger(serial: string): Promise<string | undefined> {
    return (await this.store.credentials.bySerial(serial))?.state
  }
}
