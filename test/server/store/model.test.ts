import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Actor, CredentialRequest, Store, Target } from '../../../server/store/port.ts'
import { decodeEvent } from '../../../src/core/revocation/codec.ts'
import { encodeSerial } from '../../../src/core/serial.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { SpiffeId } from '../../../src/core/spiffe-id.ts'
import { StoreModel, type ModelKind, type ModelRequest, type ModelRow } from '../../support/store/model.ts'
import { openAt } from '../../support/store/open.ts'
import { authority, authorityId, by, id, nowMs, request, sha256, spec } from '../../support/store/samples.ts'

const entry = fc.nat({ max: 3 })
const agent = fc.nat({ max: 1 })
const owner = fc.constantFrom('red', 'blue')
const target = fc.oneof(
  fc.record({ kind: fc.constantFrom<ModelKind>('entry', 'id'), name: entry.map(String) }),
  fc.record({ kind: fc.constant<ModelKind>('agent'), name: agent.map(String) }),
  fc.record({ kind: fc.constant<ModelKind>('owner'), name: owner }),
)
// mostly one of two keys of its own, sometimes another's
const modelRequest = fc
  .record({ entry, agent, key: fc.nat({ max: 1 }), stray: fc.boolean(), far: fc.nat({ max: 3 }), lifeMs: fc.constantFrom(0, 30_000, 90_000, 600_000) })
  .map(({ entry, agent, key, stray, far, lifeMs }): ModelRequest => ({ entry, agent, key: (stray && far === 0 ? far : entry * 4 + agent * 2) + key, lifeMs }))
const step = fc.oneof(
  fc.record({ do: fc.constant('create' as const), entry, owner }),
  fc.record({ do: fc.constant('attest' as const), agent }),
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reserve' as const), requests: fc.array(modelRequest, { minLength: 1, maxLength: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('supersede' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revoke' as const), target, rotate: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('enable' as const), target }) },
  fc.record({ do: fc.constant('delete' as const), entry }),
  fc.record({ do: fc.constant('remove' as const), agent, how: fc.constantFrom('ban' as const, 'delete' as const, 'delete' as const) }),
  fc.record({ do: fc.constant('abandon' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 61_000, 400_000) }),
  fc.record({ do: fc.constant('prune' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

test('the store does what the model does, its journal replays to its tables, its stream is chained, its indices are dense', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), async (steps) => {
      await using store = await openAt(':memory:')
      const model = new StoreModel(nowMs)
      await store.authorities.prepare(authority('authority'), by)
      // a beginning with something to work on
      const start: Step[] = [0, 1, 2].map((n) => ({ do: 'create', entry: n, owner: n === 0 ? 'red' : 'blue' }))
      for (const [at, next] of [...start, { do: 'attest', agent: 0 } as const, ...steps].entries()) await both(store, model, next, at)
      await compare(store, model)
    }),
    { numRuns: 12, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true },
  )
})

/** Does one step in both and compares what they say. */
async function both(store: Store, model: StoreModel, next: Step, at: number): Promise<void> {
  const actor: Actor = { ...by, atMs: model.nowMs }
  switch (next.do) {
    case 'create': {
      const [result] = await store.entries.create([spec(next.entry, { owner: next.owner })], actor)
      expect(result?.ok).toBe(model.create(next.entry, next.owner))
      return
    }
    case 'delete': {
      const [result] = await store.entries.delete([`entry-${next.entry}`], actor)
      expect(result?.ok).toBe(model.delete(next.entry))
      return
    }
    case 'attest': {
      await store.agents.createJoinToken({ tokenHash: sha256(`${at}`), agentId: agentOf(next.agent), expiresAtMs: model.nowMs + 1 }, actor)
      expect(await codeOf(store.agents.redeemJoinToken(sha256(`${at}`), model.nowMs))).toBe(model.attest(next.agent))
      return
    }
    case 'remove': {
      const expected = model.remove(next.agent, next.how)
      const call = store.agents[next.how](agentOf(next.agent), actor)
      if (expected === undefined) expect(await codeOf(call)).toBe('NOT_FOUND')
      else expect((await call).hits.credentials).toBe(expected)
      return
    }
    case 'reserve': {
      const requests = next.requests.map((one) => requestOf(model, one))
      const results = await store.credentials.reserve(requests, model.nowMs)
      expect(results.map((result) => (result.ok ? 'OK' : result.code))).toEqual(next.requests.map((one) => model.reserve(one)))
      return
    }
    case 'release': {
      const row = model.row(next.at)
      if (row === undefined) return
      if (row.state === 'reserved') row.state = 'released'
      return store.credentials.release([serialOf(row)], model.nowMs)
    }
    case 'supersede': {
      const row = model.row(next.at)
      if (row !== undefined) expect(await store.credentials.supersede([Buffer.from(serialOf(row)).toString('hex')], actor)).toBe(model.supersede(row))
      return
    }
    case 'revoke': {
      const expected = model.revoke(next.target.kind, next.target.name, next.rotate)
      const options = { rotate: next.rotate, dryRun: false, reason: '', ...(typeof expected === 'number' && expected > 10 ? { expect: expected } : {}) }
      const call = store.targets.revoke(targetOf(next.target.kind, next.target.name), options, actor)
      if (expected === 'NOT_FOUND') expect(await codeOf(call)).toBe(expected)
      else expect((await call).hits.credentials).toBe(expected)
      return
    }
    case 'enable':
      expect(await codeOf(store.targets.enable(targetOf(next.target.kind, next.target.name), '', actor))).toBe(model.enable(next.target.kind, next.target.name) ? 'OK' : 'NOT_FOUND')
      return
    case 'abandon':
      expect(await store.credentials.abandonUnreleased(model.nowMs)).toBe(model.abandon())
      return
    case 'wait':
      model.nowMs += next.ms
      return
    case 'prune':
      expect(await store.credentials.prune(model.nowMs, actor)).toBe(model.prune())
      return
    default:
      next satisfies never
  }
}

async function compare(store: Store, model: StoreModel): Promise<void> {
  const { items } = await store.credentials.list({}, { size: 10_000 })
  const expected = new Map(model.rows.map((row) => [Buffer.from(serialOf(row)).toString('hex'), row.state]))
  expect(new Map(items.map(({ serial, state }) => [serial, state]))).toEqual(expected)
  expect(await store.credentials.count({ liveAtMs: model.nowMs })).toBe(model.live(() => true).length)

  const set = await store.stream.load(0)
  const bits = new Map<string, number>()
  for (const { minute, superseded, revoked } of set.buckets) {
    for (const index of superseded) bits.set(`${minute} ${index}`, 1)
    for (const index of revoked) bits.set(`${minute} ${index}`, (bits.get(`${minute} ${index}`) ?? 0) | 2)
  }
  expect(bits).toEqual(model.bits)

  let hash = Buffer.alloc(32)
  const events = await store.stream.eventsAfter(0, 10_000)
  for (const [at, event] of events.entries()) {
    expect(event.seq).toBe(at + 1)
    hash = createHash('sha256').update(hash).update(event.event).digest()
  }
  expect(events).toHaveLength(set.seq)
  // identities are named beside what the model counts
  expect(events.filter(({ event }) => decodeEvent(event)?.kind !== 'identity_ended')).toHaveLength(model.events + 1)
  expect(Buffer.from(set.chainHash)).toEqual(hash)
  expect(new Set((await store.targets.disabled()).map((disabled) => disabled.target))).toEqual(
    new Set([...model.disabled].map((text) => text.split(' ')).map(([kind, name]) => targetOf(kind as ModelKind, name ?? ''))), // the model spells them so
  )
  await store.journal.verify()
}

function requestOf(model: StoreModel, one: ModelRequest): CredentialRequest {
  const notAfterMs = model.nowMs + one.lifeMs
  return request(one.entry, { key: `key ${one.key}`, agentId: agentOf(one.agent), owner: model.entries.get(one.entry)?.owner ?? '', notAfterMs, notBeforeMs: model.nowMs, authorityId })
}

function serialOf(row: ModelRow): Uint8Array {
  return encodeSerial({ shard: 1, minute: row.minute, index: row.index, random: request(0).random })
}

function agentOf(n: number): SpiffeId {
  return id(`/spire/agent/join_token/${n}`)
}

function targetOf(kind: ModelKind, name: string): Target {
  if (kind === 'owner') return { kind, owner: name }
  if (kind === 'entry') return { kind, entryId: `entry-${name}` }
  return kind === 'id' ? { kind, id: id(`/workload/${name}`) } : { kind, id: agentOf(Number(name)) }
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'OK'
  } catch (error) {
    if (error instanceof MayflyError) return error.code
    throw error
  }
}
