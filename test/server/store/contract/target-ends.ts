import { expect, test } from 'vitest'
import type { Store, Target } from '../../../../server/store/port.ts'
import { activeGrant, prepareForGrants, requested, wish } from '../../../support/store/grants.ts'
import { agentId, attest, by, id, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const options = { rotate: false, dryRun: false, reason: 'incident 7' }
const owner: Target & { readonly kind: 'owner' } = { kind: 'owner', owner: 'team-a' }
/** More than two transactions hold, with a tree among them. */
const many = 260
const all = many + 2

export function targetEndContract(makePlace: MakePlace): void {
  test('what is more than one transaction holds ends in pieces: said as a whole, disabled from the first one on, and remembered until the last', () =>
    withStore(makePlace, async (store) => {
      const children = await manyGrants(store)
      expect((await store.targets.revoke(owner, { ...options, dryRun: true }, by)).hits).toMatchObject({ credentials: all, workloads: all, owners: ['team-a'] })
      expect(await store.targets.unfinished()).toEqual([])
      await expect(store.targets.revoke(owner, { ...options, expect: all - 1 }, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', details: { hits: all } })

      const first = await store.targets.revoke(owner, { ...options, expect: all }, by)
      expect(first).toMatchObject({ more: true, hits: { credentials: all } })
      expect(await store.targets.unfinished()).toEqual([{ target: owner, cause: 'operator', reason: 'incident 7', by: by.name, atMs: by.atMs }])
      expect(await live(store)).toBeGreaterThan(0)
      const role = (await store.roles.byName('writer')) ?? never()
      await expect(store.grants.request(requested(role, undefined, wish(9_001)), by)).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
      await expect(store.targets.enable(owner, '', by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })

      const pieces = [first]
      for (let { more } = first; more; more = pieces.at(-1)?.more ?? false) pieces.push(await store.targets.continueEnd(owner, nowMs))
      expect(pieces.slice(1).map(({ hits }) => hits.credentials).every((count) => count <= 102)).toBe(true)
      expect(await live(store)).toBe(0)
      expect(await store.credentials.count({ owner: 'team-a', liveAtMs: nowMs })).toBe(0)
      expect(await store.targets.unfinished()).toEqual([])
      expect(pieces.at(-1)?.streamSeq).toBe((await store.stream.head()).seq)
      for (const child of children) expect(await store.grants.byId(child)).toMatchObject({ cause: 'parent_ended' })
      expect(await store.targets.continueEnd(owner, nowMs)).toMatchObject({ more: false, hits: { credentials: 0 } })
      await store.targets.enable(owner, '', by)
      await store.journal.verify()
    }))

  test('what is left is known to the next run, and is done in the name of who asked for it', async () => {
    await using place = await makePlace()
    {
      await using store = await place.open()
      await manyGrants(store)
      expect((await store.agents.ban(agentId, by)).more).toBe(true)
    }
    await using store = await place.open()
    expect(await store.targets.unfinished()).toMatchObject([{ target: { kind: 'agent', id: agentId }, cause: 'agent_banned', by: by.name }])
    await finish(store, { kind: 'agent', id: agentId })
    expect(await live(store)).toBe(0)
    const { items } = await store.grants.list({}, { size: 1_000 })
    expect(new Set(items.map(({ detail }) => detail.replace(/^\w{26} ended: /, '')))).toEqual(new Set(['its agent was banned', 'operator']))
    await store.journal.verify()
  })

  test('asked for again before it is finished it goes on, and whoever finishes it has finished it for all', () =>
    withStore(makePlace, async (store) => {
      await manyGrants(store)
      expect((await store.targets.revoke(owner, { ...options, expect: all }, by)).more).toBe(true)
      const again = await store.targets.revoke(owner, { ...options, dryRun: true }, by)
      expect(again.hits.credentials).toBeLessThan(all)
      expect(again.hits.credentials).toBeGreaterThan(0)
      expect((await store.targets.revoke(owner, { ...options, expect: all }, by)).more).toBe(true)
      expect((await store.targets.revoke(owner, options, by)).more).toBe(false)
      expect(await store.targets.unfinished()).toEqual([])
      expect(await live(store)).toBe(0)
    }))

  test('an agent that was evicted comes back when all it had has ended, and keeps what it is given then', () =>
    withStore(makePlace, async (store) => {
      await manyGrants(store)
      await store.agents.createJoinToken({ tokenHash: sha256('again'), agentId, expiresAtMs: nowMs + 600_000 }, by)
      expect((await store.agents.delete(agentId, by)).more).toBe(true)
      await expect(store.agents.redeemJoinToken(sha256('again'), nowMs)).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
      await store.targets.disable({ kind: 'agent', id: agentId }, 'not again', by)
      await finish(store, { kind: 'agent', id: agentId })
      await expect(store.agents.redeemJoinToken(sha256('again'), nowMs)).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
      await store.targets.enable({ kind: 'agent', id: agentId }, '', by)
      expect(await live(store)).toBe(0)
      await store.agents.redeemJoinToken(sha256('again'), nowMs)
      const { serial } = await activeGrant(store, 9_002)
      expect((await store.targets.continueEnd({ kind: 'agent', id: agentId }, nowMs)).hits.credentials).toBe(0)
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'released' })
    }))

  test('credentials that are no grants’ end in pieces too', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const other = id('/spire/agent/join_token/two')
      await attest(store, other)
      await store.entries.create([spec(1, { owner: 'team-b' })], by)
      for (const agent of [agentId, other]) {
        const requests = Array.from({ length: 600 }, (_, n) => request(1, { agentId: agent, owner: 'team-b', key: `${agent} ${n}` }))
        expect((await store.credentials.reserve(requests, nowMs)).every(({ ok }) => ok)).toBe(true)
      }
      const target = { kind: 'owner', owner: 'team-b' } as const
      const first = await store.targets.revoke(target, { ...options, expect: 1_200 }, by)
      expect(first).toMatchObject({ more: true, hits: { credentials: 1_200, owners: ['team-b'] } })
      expect(await store.targets.continueEnd(target, nowMs)).toMatchObject({ more: true, hits: { credentials: 500 } })
      expect(await store.targets.continueEnd(target, nowMs)).toMatchObject({ more: false, hits: { credentials: 200 } })
      expect(await store.credentials.count({ owner: 'team-b', liveAtMs: nowMs })).toBe(0)
      await store.journal.verify()
    }))

  test('what is rotated is superseded in pieces: what was live when it began, and nothing that was issued in its place', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1, { owner: 'team-b' })], by)
      const requests = Array.from({ length: 1_200 }, (_, n) => request(1, { owner: 'team-b', key: `key ${n}` }))
      expect((await store.credentials.reserve(requests, nowMs)).every(({ ok }) => ok)).toBe(true)
      const target = { kind: 'owner', owner: 'team-b' } as const
      expect(await store.targets.revoke(target, { ...options, rotate: true, dryRun: true }, by)).toMatchObject({ more: false, hits: { credentials: 1_200 }, unrotated: [] })
      await expect(store.targets.revoke(target, { ...options, rotate: true, expect: 1_199 }, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', details: { hits: 1_200 } })
      const { unrotated = [], more, hits } = await store.targets.revoke(target, { ...options, rotate: true, expect: 1_200 }, by)
      expect([more, hits.credentials, unrotated.length]).toEqual([false, 1_200, 700])
      const [fresh = ''] = await issue(store, request(1, { owner: 'team-b', key: 'key in its place' }))
      expect((await store.targets.continueRotation(unrotated.slice(0, 500), '', by)).hits.credentials).toBe(500)
      expect((await store.targets.continueRotation(unrotated.slice(400), '', by)).hits.credentials).toBe(200)
      expect(await store.credentials.list({ owner: 'team-b', liveAtMs: nowMs }, { size: 10 })).toMatchObject({ items: [{ serial: fresh }] })
      expect(await store.targets.disabled()).toEqual([])
      await expect(store.targets.continueRotation(Array.from({ length: 1_001 }, () => fresh), '', by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await store.journal.verify()
    }))
}

/** Returns the IDs of the children among them. */
export async function manyGrants(store: Store): Promise<readonly string[]> {
  await prepareForGrants(store)
  const [root] = await Promise.all(Array.from({ length: many }, async (_, n) => await activeGrant(store, n)))
  const child = await activeGrant(store, 5_000, root, { budget: { children: 2, depth: 1 } })
  const grandchild = await activeGrant(store, 5_001, child)
  return [child.id, grandchild.id]
}

async function finish(store: Store, target: Parameters<Store['targets']['continueEnd']>[0]): Promise<void> {
  while ((await store.targets.continueEnd(target, nowMs)).more);
}

async function live(store: Store): Promise<number> {
  return await store.grants.count({ states: ['approved', 'active', 'suspended'] })
}

function never(): never {
  throw new Error('there is no role')
}
