import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Commit, StreamEvent } from '../../../../server/store/port.ts'
import { decodeEvent } from '../../../../src/core/revocation/codec.ts'
import { agentId, by, foreignBundle, id, issue, nowMs, prepareToIssue, request, sha256, spec, trustDomain } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

export function journalContract(makePlace: MakePlace): void {
  test('a new store has a trust domain, a shard and an epoch', () =>
    withStore(makePlace, async (store) => {
      expect(store.domain).toEqual({ trustDomain, shard: 1, epoch: nowMs / 1000, createdAtMs: nowMs })
      expect(await store.stream.head()).toEqual({ seq: 0, chainHash: new Uint8Array(32) })
      expect(await store.journal.from(1, 10)).toMatchObject([{ seq: 1, record: { kind: 'domain.created', trustDomain } }])
    }))

  test('events that are pruned are gone, the newest stays, and the set and the chain go on', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const serials = await issue(store, request(1), request(1), request(1), request(1))
      for (const serial of serials.slice(0, 3)) await store.credentials.supersede([serial], by)
      const set = await store.stream.load(0)
      expect(await store.stream.prune(2, by)).toBe(2)
      expect(await store.stream.prune(2, by)).toBe(0)
      expect((await store.stream.eventsAfter(0, 10)).map(({ seq }) => seq)).toEqual([3, 4])
      expect(await store.stream.prune(1_000, by)).toBe(1)
      expect(await store.stream.load(0)).toEqual(set)
      await store.credentials.supersede(serials.slice(3), by)
      const [before, after] = await store.stream.eventsAfter(0, 10)
      expect(after?.seq).toBe(5)
      expect(Buffer.from(after?.chainHash ?? [])).toEqual(createHash('sha256').update(before?.chainHash ?? '').update(after?.event ?? '').digest())
      await expect(store.stream.prune(0.5, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await store.journal.verify()
    }))

  test('listeners hear each commit, in order, before its promises resolve', () =>
    withStore(makePlace, async (store) => {
      const heard: string[] = []
      const commits: Commit[] = []
      using listening = store.journal.onCommit((commit) => {
        commits.push(commit)
        heard.push(...commit.records.map(({ seq, record }) => `${seq} ${record.kind}`))
      })
      const calls = [1, 2, 3].map(async (n) => {
        await store.entries.create([spec(n)], by)
        heard.push(`resolved ${n}`)
      })
      await Promise.all(calls)
      expect(heard.filter((line) => !line.startsWith('resolved'))).toEqual(['2 entries.created', '3 entries.created', '4 entries.created'])
      for (const n of [1, 2, 3]) expect(heard.indexOf(`resolved ${n}`)).toBeGreaterThan(heard.indexOf(`${n + 1} entries.created`))
      const before = commits.length
      listening[Symbol.dispose]()
      await store.entries.create([spec(4)], by)
      expect(commits).toHaveLength(before)
    }))

  test('what is refused or changes nothing writes no record', () =>
    withStore(makePlace, async (store) => {
      const head = await store.journal.head()
      await store.entries.create([], by)
      await store.entries.delete(['nothing'], by)
      await store.agents.redeemJoinToken(sha256('none'), nowMs).catch(() => {})
      await store.credentials.release([], nowMs)
      await store.credentials.abandonUnreleased(nowMs)
      expect(await store.journal.head()).toEqual(head)
    }))

  test('calls that arrive together share commits, and one that fails does not fail the others', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(0)], by)
      const before = await store.journal.figures()
      const calls = Array.from({ length: 50 }, (_, n) => (n === 25 ? store.targets.enable({ kind: 'entry', entryId: 'entry-0' }, '', by) : store.entries.create([spec(n + 1)], by)))
      const outcomes = await Promise.allSettled(calls)
      expect(outcomes.filter((outcome) => outcome.status === 'rejected')).toHaveLength(1)
      const after = await store.journal.figures()
      expect(after.transactions - before.transactions).toBe(50)
      expect(after.commits - before.commits).toBeLessThan(50)
      expect(await store.entries.count({})).toBe(50)
      await store.journal.verify()
    }))

  test('the stream is dense and chained over its events', () =>
    withStore(makePlace, async (store) => {
      const heard: StreamEvent[] = []
      using _listening = store.journal.onCommit((commit) => heard.push(...commit.streamEvents))
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      const [one = ''] = await issue(store, request(1), request(2))
      await store.credentials.supersede([one], by)
      await store.targets.revoke({ kind: 'agent', id: agentId }, { rotate: false, dryRun: false, reason: '' }, by)
      const events = await store.stream.eventsAfter(0, 100)
      expect(events.map(({ event }) => decodeEvent(event)?.kind)).toEqual(['authority_indexed', 'superseded', 'revoked', 'revoked'])
      let hash = Buffer.alloc(32)
      for (const [at, event] of events.entries()) {
        expect(event.seq).toBe(at + 1)
        hash = createHash('sha256').update(hash).update(event.event).digest()
        expect(Buffer.from(event.chainHash)).toEqual(hash)
      }
      expect(heard.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
      expect(await store.stream.head()).toMatchObject({ seq: 4 })
      expect(await store.stream.eventsAfter(2, 1)).toMatchObject([{ seq: 3 }])
      expect(await store.stream.load(0)).toMatchObject({ seq: 4, buckets: [{ superseded: [0], revoked: [0, 1] }], authorities: [{ revoked: false }] })
      expect((await store.stream.load(Math.floor(nowMs / 60_000) + 60)).buckets).toEqual([])
    }))

  test('the replayed journal equals the tables', () =>
    withStore(makePlace, async (store) => {
      await everything(store)
      const head = await store.journal.head()
      expect(await store.journal.verify()).toEqual({ records: head.seq })
    }))

  test('the store goes on while its journal is verified, and what is written meanwhile is verified too', () =>
    withStore(makePlace, async (store) => {
      for (let n = 0; n < 250; n += 1) await store.entries.create([spec(n)], by)
      let verified = false
      const verification = store.journal.verify().finally(() => {
        verified = true
      })
      let written = 0
      while (!verified) {
        await store.entries.create([spec(1_000 + written)], by)
        written += 1
      }
      expect((await verification).records).toBeGreaterThan(251)
      expect(written).toBeGreaterThan(1)
    }))

  test('a store that is opened again is as it was closed', async () => {
    await using place = await makePlace()
    const store = await place.open()
    await everything(store)
    const before = await state(store)
    await store[Symbol.asyncDispose]()
    await expect(store.entries.count({})).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
    await using again = await place.open()
    expect(await state(again)).toEqual(before)
    await again.journal.verify()
    expect(await again.credentials.reserve([request(2, { key: 'after' })], nowMs)).toMatchObject([{ ok: true }])
  })

  type Store = Parameters<Parameters<typeof withStore>[1]>[0]

  /** A record of every kind. */
  async function everything(store: Store): Promise<void> {
    await prepareToIssue(store)
    await store.agents.recordVersion(agentId, '1', by)
    await store.bundles.set(foreignBundle('x.org'), by)
    await store.entries.create([spec(1), spec(2, { owner: 'team', federatesWith: ['x.org'] }), spec(3)], by)
    await store.entries.update([{ id: 'entry-1', hint: 'h' }], by)
    const [one = '', two = ''] = await issue(store, request(1), request(2), request(3))
    await store.agents.recordSvid(agentId, { serial: one, notAfterMs: nowMs + 1 }, by)
    await store.credentials.supersede([two], by)
    await store.targets.revoke({ kind: 'id', id: id('/workload/1') }, { rotate: false, dryRun: false, reason: 'r' }, by)
    await store.targets.disable({ kind: 'owner', owner: 'team' }, 'r', by)
    await store.targets.enable({ kind: 'owner', owner: 'team' }, 'r', by)
    await store.credentials.reserve([request(2, { key: 'lost', notAfterMs: nowMs + 1 })], nowMs)
    await store.credentials.abandonUnreleased(nowMs)
    const { entryId: _entryId, ...ofGrant } = request(1, { key: 'of a grant', spiffeId: id('/workload/1/task/7') })
    await store.credentials.reserve([ofGrant], nowMs)
    await store.targets.closePrefix(id('/workload/1/task/7'), { untilMs: nowMs, cause: 'operator', reason: 'r' }, by)
    await store.credentials.prune(nowMs + 60_000, by)
    await store.stream.prune(2, by)
    await store.entries.delete(['entry-3'], by)
  }

  async function state(store: Store): Promise<unknown> {
    return {
      domain: store.domain,
      entries: await store.entries.list({}, { size: 100 }),
      agents: await store.agents.list({}, { size: 100 }),
      credentials: await store.credentials.list({}, { size: 100 }),
      authorities: await store.authorities.all(),
      disabled: await store.targets.disabled(),
      stream: await store.stream.load(0),
      head: await store.journal.head(),
    }
  }
}
