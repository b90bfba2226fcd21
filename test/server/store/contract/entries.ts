import { expect, test } from 'vitest'
import type { EntryFilter, ItemResult, Store } from '../../../../server/store/port.ts'
import type { Entry } from '../../../../src/core/entry.ts'
import { actorAt, by, foreignBundle, id, issue, nowMs, prepareToIssue, request, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const uid = (n: number) => ({ type: 'unix', value: `uid:${n}` })
const codes = (results: readonly ItemResult<unknown>[]) => results.map((result) => (result.ok ? 'OK' : result.code))

export function entryContract(makePlace: MakePlace): void {
  test('a created entry is found by its id, as it was given', () =>
    withStore(makePlace, async (store) => {
      await store.bundles.set(foreignBundle('other.org'), by)
      const full = spec(1, { federatesWith: ['other.org'], dnsNames: ['a.example'], hint: 'internal', owner: 'team', x509SvidTtlSeconds: 60, expiresAtSeconds: 2_000_000_000, admin: true, prefetch: true })
      const [result] = await store.entries.create([full], by)
      const expected: Entry = { ...full, createdAtSeconds: nowMs / 1000, revision: 0, disabled: false }
      expect(result).toEqual({ ok: true, value: expected })
      expect(await store.entries.byId('entry-1')).toEqual(expected)
      expect(await store.entries.byId('entry-2')).toBeUndefined()
    }))

  test('one bad item of a batch does not fail the others', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1)], by)
      expect(codes(await store.entries.create([spec(2), spec(1), spec(3)], by))).toEqual(['OK', 'ALREADY_EXISTS', 'OK'])
      expect(await store.entries.count({})).toBe(3)
    }))

  test('an entry of the same SPIFFE ID, parent and selector set exists already, whatever its id and the order of its selectors', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1, { selectors: [uid(1), uid(2)] })], by)
      const [again] = await store.entries.create([spec(1, { id: 'another', selectors: [uid(2), uid(1)] })], by)
      expect(again).toMatchObject({ ok: false, code: 'ALREADY_EXISTS', existing: { id: 'entry-1' } })
      const within = await store.entries.create([spec(5), spec(5, { id: 'twin' }), spec(5, { id: 'other', selectors: [uid(6)] })], by)
      expect(codes(within)).toEqual(['OK', 'ALREADY_EXISTS', 'OK'])
    }))

  test('an update changes the fields that it names and raises the revision', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1, { hint: 'a', owner: 'team' })], by)
      const [result] = await store.entries.update([{ id: 'entry-1', hint: '', selectors: [uid(9)] }], actorAt(nowMs + 5_000))
      expect(result).toMatchObject({ ok: true, value: { hint: '', owner: 'team', selectors: [uid(9)], revision: 1, createdAtSeconds: nowMs / 1000 } })
      expect(await found(store, { selectors: { match: 'exact', selectors: [uid(9)] } })).toEqual(['entry-1'])
      expect(await found(store, { selectors: { match: 'any', selectors: [uid(1)] } })).toEqual([])
    }))

  test('an update that would make two entries alike is refused, an update to itself is not', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1), spec(2)], by)
      const { spiffeId, selectors } = spec(1)
      const results = await store.entries.update([{ id: 'entry-2', spiffeId, selectors }, { id: 'entry-1', spiffeId, selectors }, { id: 'gone', hint: 'x' }], by)
      expect(codes(results)).toEqual(['ALREADY_EXISTS', 'OK', 'NOT_FOUND'])
    }))

  test('within a batch of updates each sees those before it', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1), spec(2)], by)
      const one = spec(1)
      const swap = [{ id: 'entry-1', selectors: [uid(7)] }, { id: 'entry-2', spiffeId: one.spiffeId, selectors: one.selectors }, { id: 'entry-1', hint: 'again' }]
      expect(codes(await store.entries.update(swap, by))).toEqual(['OK', 'OK', 'OK'])
      expect(await store.entries.byId('entry-1')).toMatchObject({ revision: 2, selectors: [uid(7)], hint: 'again' })
      expect(await store.entries.byId('entry-2')).toMatchObject({ revision: 1, spiffeId: one.spiffeId })
    }))

  test('the live credentials of a deleted entry are revoked in the same transaction', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      const [serial = '', other = ''] = await issue(store, request(1), request(2))
      expect(codes(await store.entries.delete(['entry-1', 'entry-1', 'nothing'], by))).toEqual(['OK', 'NOT_FOUND', 'NOT_FOUND'])
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'entry_deleted', endedAtMs: nowMs })
      expect(await store.credentials.bySerial(other)).toMatchObject({ state: 'released' })
      expect(await store.entries.byId('entry-1')).toBeUndefined()
      expect((await store.stream.load(0)).buckets).toMatchObject([{ revoked: [0] }])
    }))

  test('pages follow one another without gaps or repetitions', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create(Array.from({ length: 25 }, (_, n) => spec(n)), by)
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await store.entries.list({}, { size: 7, ...(after === undefined ? {} : { after }) })
        expect(page.items.length).toBeLessThanOrEqual(7)
        seen.push(...page.items.map((entry) => entry.id))
        after = page.next
      } while (after !== undefined)
      expect(seen).toHaveLength(25)
      expect(new Set(seen).size).toBe(25)
      await expect(store.entries.list({}, { size: 7, after: 'bm90aGluZw' })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
      await expect(store.entries.list({}, { size: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.entries.list({}, { size: 10_001 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('a page that ends exactly at the last entry has no next', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1), spec(2)], by)
      expect((await store.entries.list({}, { size: 2 })).next).toBeUndefined()
      expect((await store.entries.list({}, { size: 1 })).next).toBeDefined()
    }))

  const sets = [spec(1, { selectors: [uid(1)] }), spec(2, { selectors: [uid(1), uid(2)] }), spec(3, { selectors: [uid(1), uid(2), uid(3)] }), spec(4, { selectors: [uid(4)] })]
  test.for([
    ['exact', [1, 2], ['entry-2']],
    ['subset', [1, 2], ['entry-1', 'entry-2']],
    ['superset', [1, 2], ['entry-2', 'entry-3']],
    ['any', [2, 4], ['entry-2', 'entry-3', 'entry-4']],
    ['exact', [2], []],
    ['superset', [1, 1], ['entry-1', 'entry-2', 'entry-3']],
  ] as const)('selectors matched by %s of %j', ([match, uids, expected]) =>
    withStore(makePlace, async (store) => {
      await store.entries.create(sets, by)
      expect(await found(store, { selectors: { match, selectors: uids.map(uid) } })).toEqual(expected)
      expect(await store.entries.count({ selectors: { match, selectors: uids.map(uid) } })).toBe(expected.length)
    }))

  test('filters hold together', () =>
    withStore(makePlace, async (store) => {
      for (const name of ['x.org', 'y.org']) await store.bundles.set(foreignBundle(name), by)
      await store.entries.create([
        spec(1, { owner: 'a', hint: 'h', federatesWith: ['x.org', 'y.org'] }),
        spec(2, { owner: 'a', downstream: true, federatesWith: ['x.org'] }),
        spec(3, { owner: 'b', parentId: id('/spire/agent/join_token/two') }),
      ], by)
      await store.targets.disable({ kind: 'entry', entryId: 'entry-2' }, 'why', by)
      expect(await found(store, { owner: 'a' })).toEqual(['entry-1', 'entry-2'])
      expect(await found(store, { owner: 'a', downstream: false })).toEqual(['entry-1'])
      expect(await found(store, { hint: 'h' })).toEqual(['entry-1'])
      expect(await found(store, { disabled: true })).toEqual(['entry-2'])
      expect(await found(store, { spiffeId: id('/workload/3') })).toEqual(['entry-3'])
      expect(await found(store, { parentId: id('/spire/agent/join_token/two') })).toEqual(['entry-3'])
      expect(await found(store, { federatesWith: { match: 'exact', trustDomains: ['x.org'] } })).toEqual(['entry-2'])
      expect(await found(store, { federatesWith: { match: 'any', trustDomains: ['y.org'] }, owner: 'a' })).toEqual(['entry-1'])
      await expect(store.entries.list({ selectors: { match: 'any', selectors: [] } }, { size: 10 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))
}

async function found(store: Store, filter: EntryFilter): Promise<string[]> {
  return (await store.entries.list(filter, { size: 100 })).items.map((entry) => entry.id)
}
