import { describe, expect, test } from 'vitest'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { workspace } from '../../support/server/grants.ts'
import { grantBench } from '../../support/server/grants.ts'
import { startServer } from '../../support/server/test-server.ts'
import type { TestAgent } from '../../support/server/test-server.ts'

type Said = ResponseOutput<'mayfly.v1.Sync', 'Connect'>

/** An agent's stream: what the server says of grants and policy, and a way to vouch. */
class Stream implements Disposable {
  readonly said: Said[] = []
  readonly #closing = new AbortController()
  readonly #sending: Request<'mayfly.v1.Sync', 'Connect'>[] = [{ hello: { agentVersion: 'test' } }]
  #wake = Promise.withResolvers<void>()
  #heard = Promise.withResolvers<void>()

  constructor(agent: TestAgent) {
    void this.#read(agent).catch(() => undefined) // closed
  }

  send(message: Request<'mayfly.v1.Sync', 'Connect'>): void {
    this.#sending.push(message)
    this.#wake.resolve()
  }

  /** The first of what was said that the test looks for, now or later. */
  async find<T>(look: (said: Said) => T | undefined): Promise<T> {
    for (;;) {
      for (const said of this.said) {
        const found = look(said)
        if (found !== undefined) return found
      }
      await this.#heard.promise
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
    this.#wake.resolve()
  }

  async #read(agent: TestAgent): Promise<void> {
    for await (const said of agent.channel.bidi('mayfly.v1.Sync', 'Connect', this.#messages(), { signal: this.#closing.signal })) {
      this.said.push(said)
      this.#heard.resolve()
      this.#heard = Promise.withResolvers()
    }
  }

  async *#messages(): AsyncGenerator<Request<'mayfly.v1.Sync', 'Connect'>> {
    while (!this.#closing.signal.aborted) {
      const next = this.#sending.shift()
      if (next !== undefined) yield next
      else {
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
      }
    }
  }
}

describe('an agent’s stream', () => {
  test('invariant 10: brings what steps are decided by, and again when the role of a running grant is another', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { grant } = await bench.active()
    using stream = new Stream(bench.agent)
    const termsOf = async (holds: (terms: { readonly confirmActions: readonly string[]; readonly intents: readonly unknown[] }) => boolean): Promise<unknown> =>
      await stream.find(({ grants }) => grants?.terms.find(({ grantId, terms }) => grantId === grant.id && terms !== null && holds(terms)))
    await termsOf(({ confirmActions, intents }) => confirmActions.length === 0 && intents.length > 0)
    await bench.putRole({ confirmActions: ['write'] })
    await termsOf(({ confirmActions }) => confirmActions.includes('write'))
    await server.admin.unary('mayfly.v1.GrantAdmin', 'DeleteRole', { name: grant.role })
    await termsOf(({ intents }) => intents.length === 0)
  })

  test('brings its grants, each change of them and the policy; what it does not vouch for any more is closed', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const before = await bench.active()
    using stream = new Stream(bench.agent)
    expect(await stream.find(({ grants }) => grants?.grants.find(({ id }) => id === before.grant.id))).toMatchObject({ state: 'active', serial: before.grant.serial })
    await stream.find(({ grants }) => (grants?.complete === true ? true : undefined))
    expect(JSON.parse((await stream.find(({ policy }) => policy ?? undefined)).policies)).toHaveProperty('owner-answers')
    const { id } = await bench.request({ intent: { actions: ['read'], resources: ['db:users'], workspace, reason: 'count' } }, { instance: 'boot:200:1' })
    await stream.find(({ grants }) => grants?.grants.find((grant) => grant.id === id && grant.state === 'approved'))
    stream.send({ alive: { grantIds: [before.grant.id] } })
    const { admin } = server
    await admin.unary('mayfly.v1.GrantAdmin', 'End', { grantId: before.grant.id, detail: 'enough' })
    expect(await stream.find(({ grants }) => grants?.grants.find((grant) => grant.id === before.grant.id && grant.state === 'ending'))).toMatchObject({ cause: 'operator', detail: 'enough' })
    stream.send({ alive: { grantIds: [] } })
    await stream.find(({ grants }) => grants?.grants.find((grant) => grant.id === before.grant.id && grant.state === 'ended'))
  })

  test('a probe that fails ends what needs it', async () => {
    const server = await startServer()
    const bench = await grantBench(server, { probes: ['kernel-locked'] })
    const probes = [{ name: 'kernel-locked', ok: true, value: '' }]
    const { id } = await bench.request({}, { probes })
    await bench.activate(id, { probes })
    using stream = new Stream(bench.agent)
    stream.send({ alive: { grantIds: [id], probes: [{ name: 'kernel-locked', ok: false, value: '' }] } })
    expect(await stream.find(({ grants }) => grants?.grants.find((grant) => grant.id === id && grant.state === 'ending'))).toMatchObject({ cause: 'posture' })
  })

  test('another policy is pushed, and ends what it denies', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { grant } = await bench.active()
    using stream = new Stream(bench.agent)
    const policies = { 'permit-workloads': 'permit (principal is Mayfly::Workload, action, resource);', 'no-orders': 'forbid (principal, action, resource) when { resource.name == "db:orders" };' }
    const dry = await server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies }, dryRun: true })
    expect(dry).toMatchObject({ evaluated: 1, endedGrantIds: [grant.id] })
    expect(await bench.show(grant.id)).toMatchObject({ state: 'active' })
    const applied = await server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies }, reason: 'freeze' })
    expect(applied).toMatchObject({ evaluated: 1, endedGrantIds: [grant.id] })
    await stream.find(({ policy }) => (policy?.hash === applied.hash ? true : undefined))
    expect(await stream.find(({ grants }) => grants?.grants.find(({ id, state }) => id === grant.id && state === 'ending'))).toMatchObject({ cause: 'policy_change', detail: 'no-orders' })
    expect(await bench.request({}, { instance: 'boot:300:1' })).toMatchObject({ state: 'denied', decision: { reasons: ['no-orders'] } })
  })
})

describe('GrantAdmin', () => {
  test('lists, shows by a beginning of the ID, suspends and resumes, and says what an end hit', async () => {
    const server = await startServer()
    const { admin } = server
    const bench = await grantBench(server)
    const { grant } = await bench.active()
    const child = await bench.request({ budget: { seconds: 60 } }, { parentGrantId: grant.id, instance: 'boot:200:1' })
    await bench.activate(child.id, { instance: 'boot:200:1' })
    const { grants } = await admin.unary('mayfly.v1.GrantAdmin', 'List', { states: ['active'], rootId: { value: grant.id } })
    expect(grants.map(({ id }) => id).toSorted()).toEqual([grant.id, child.id].toSorted())
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: grant.id.slice(0, 20) })).toMatchObject({ id: grant.id })
    await expect(admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: 'zzzzzz' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(admin.unary('mayfly.v1.GrantAdmin', 'List', { states: ['sleeping'] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'Suspend', { grantId: child.id, detail: 'look' })).toMatchObject({ state: 'suspended' })
    expect((await admin.unary('mayfly.v1.Status', 'Get', {})).grants).toMatchObject({ active: 1, suspended: 1, pending: 0 })
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'Resume', { grantId: child.id })).toMatchObject({ state: 'active', serial: '' })
    const end = await admin.unary('mayfly.v1.GrantAdmin', 'End', { grantId: grant.id, detail: 'enough' })
    expect(end).toMatchObject({ grants: 2, grant: { cause: 'operator' } })
    expect(end.streamSeq).toBeGreaterThan(0)
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'End', { grantId: grant.id, detail: 'again' })).toMatchObject({ grants: 0, credentials: 0, grant: { cause: 'operator', detail: 'enough' } })
  })

  test('watches one grant until it is over', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { id } = await bench.request()
    const states: string[] = []
    for await (const grant of server.admin.serverStream('mayfly.v1.GrantAdmin', 'Watch', { grantId: id })) {
      if (states.at(-1) !== grant.state) states.push(grant.state)
      if (grant.state === 'approved') await bench.activate(id)
      if (grant.state === 'active') await bench.end(id, 'completed')
    }
    expect(states).toEqual(['approved', 'active', 'ending', 'ended'])
  })

  test('owners hand over and go; what nobody answers for is listed', async () => {
    const server = await startServer()
    const { admin } = server
    const bench = await grantBench(server)
    const [entryId] = await server.createEntries(bench.agent.id, ['/web'])
    const { grant } = await bench.active()
    await admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team-web', contact: '' })
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'TransferOwner', { from: 'team-db', to: 'team-web' })).toMatchObject({ grants: 1, roles: 1 })
    const { owners, unowned } = await admin.unary('mayfly.v1.GrantAdmin', 'ListOwners', {})
    expect(owners).toMatchObject([{ name: 'team-db', grants: 0, roles: 0 }, { name: 'team-web', grants: 1, roles: 1 }])
    expect(unowned).toEqual([`entry ${entryId}`])
    await expect(admin.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name: 'team-web' })).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name: 'team-web', endAll: true, dryRun: true })).toMatchObject({ grants: 1 })
    expect(await admin.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name: 'team-web', endAll: true })).toMatchObject({ grants: 1, roles: 1, credentials: 1 })
    expect(await bench.show(grant.id)).toMatchObject({ state: 'ending', cause: 'owner_removed' })
  })

  test('is for administrators, and GrantControl for agents', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    await expect(bench.agent.channel.unary('mayfly.v1.GrantAdmin', 'List', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(server.admin.unary('mayfly.v1.GrantControl', 'Show', { grantId: 'x' })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    const other = await server.join()
    const { grant } = await bench.active()
    await expect(other.channel.unary('mayfly.v1.GrantControl', 'Show', { grantId: grant.id })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(other.channel.unary('mayfly.v1.GrantControl', 'End', { grantId: grant.id, cause: 'failed' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('a banned agent loses its grants', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { grant } = await bench.active()
    const { trustDomain, path } = { trustDomain: 'example.org', path: bench.agent.id.slice('spiffe://example.org'.length) }
    await server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: { trustDomain, path } })
    expect(await server.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: grant.id })).toMatchObject({ cause: 'operator', serial: '' })
  })
})
