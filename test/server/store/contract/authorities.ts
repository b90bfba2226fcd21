import { expect, test } from 'vitest'
import { actorAt, authority, by, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

export function authorityContract(makePlace: MakePlace): void {
  test('an authority is prepared, activated, and old when the next one is', () =>
    withStore(makePlace, async (store) => {
      await store.authorities.prepare(authority('a'), by)
      await store.authorities.prepare(authority('b', { preparedAtMs: nowMs + 1 }), by)
      expect(await store.authorities.all()).toEqual([
        { ...authority('a'), state: 'prepared' },
        { ...authority('b', { preparedAtMs: nowMs + 1 }), state: 'prepared' },
      ])
      await store.authorities.activate(sha256('a'), by)
      await store.authorities.activate(sha256('b'), actorAt(nowMs + 5))
      expect(await store.authorities.all()).toMatchObject([{ state: 'old', activatedAtMs: nowMs }, { state: 'active', activatedAtMs: nowMs + 5 }])
      await store.authorities.activate(sha256('b'), actorAt(nowMs + 9))
      expect(await store.authorities.all()).toMatchObject([{ state: 'old' }, { activatedAtMs: nowMs + 5 }])
    }))

  test('one below an upstream authority is given back with what it hangs on, which a replay gives again', () =>
    withStore(makePlace, async (store) => {
      const upstream = { chain: [Uint8Array.of(1, 2), Uint8Array.of(3)], roots: [Uint8Array.of(4)] }
      await store.authorities.prepare(authority('a', { upstream }), by)
      await store.authorities.prepare(authority('b', { preparedAtMs: nowMs + 1, upstream: { chain: [], roots: [Uint8Array.of(4)] } }), by)
      const [first, second] = await store.authorities.all()
      expect(first?.upstream?.chain.map((der) => [...der])).toEqual([[1, 2], [3]])
      expect(first?.upstream?.roots.map((der) => [...der])).toEqual([[4]])
      expect(second?.upstream?.chain).toEqual([])
      await store.journal.verify()
    }))

  test('the bundle sequence rises with what is published and not otherwise', () =>
    withStore(makePlace, async (store) => {
      expect(await store.authorities.bundleSequence()).toBe(0)
      await store.authorities.prepare(authority('a', { notAfterMs: nowMs + 10 }), by)
      expect(await store.authorities.bundleSequence()).toBe(1)
      await store.authorities.activate(sha256('a'), by)
      expect(await store.authorities.bundleSequence()).toBe(1)
      await store.authorities.taint(sha256('a'), by)
      await store.authorities.taint(sha256('a'), by)
      expect(await store.authorities.bundleSequence()).toBe(2)
      await store.authorities.revoke(sha256('a'), by)
      expect(await store.authorities.bundleSequence()).toBe(3)
      await expect(store.authorities.remove(sha256('a'), by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      await store.authorities.remove(sha256('a'), actorAt(nowMs + 10))
      expect(await store.authorities.bundleSequence()).toBe(4)
      expect(await store.authorities.all()).toEqual([])
    }))

  test('the stream says that it is indexed, then revoked, and goes on saying so', () =>
    withStore(makePlace, async (store) => {
      await store.authorities.prepare(authority('a'), by)
      expect((await store.stream.load(0)).authorities).toEqual([{ id: sha256('a'), revoked: false }])
      const { streamSeq } = await store.authorities.revoke(sha256('a'), by)
      expect(streamSeq).toBe(2)
      expect((await store.authorities.revoke(sha256('a'), by)).streamSeq).toBe(2)
      await store.authorities.remove(sha256('a'), actorAt(nowMs + 604_800_000))
      expect((await store.stream.load(0)).authorities).toEqual([{ id: sha256('a'), revoked: true }])
    }))

  test('what a revoked authority signed is ended without a bit for each', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = ''] = await issue(store, request(1))
      expect((await store.authorities.revoke(sha256('authority'), by)).hits.credentials).toBe(1)
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'authority_revoked' })
      expect((await store.stream.load(0)).buckets).toEqual([])
    }))

  test('what its revocation would hit is said first, an expectation is held to, and the reason is kept', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      const [serial = ''] = await issue(store, request(1), request(1, { key: 'second' }))
      const authorityId = sha256('authority')
      expect((await store.authorities.revoke(authorityId, by, { dryRun: true })).hits.credentials).toBe(2)
      await expect(store.authorities.revoke(authorityId, by, { expect: 1 })).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', details: { hits: 2 } })
      expect(await store.credentials.count({ authorityId, liveAtMs: nowMs })).toBe(2)
      await store.authorities.taint(authorityId, by, 'tape lost')
      await store.authorities.revoke(authorityId, by, { expect: 2, reason: 'tape lost' })
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', reason: 'tape lost' })
      expect(await store.credentials.count({ authorityId, liveAtMs: nowMs })).toBe(0)
      await store.journal.verify()
    }))

  test('a credential is replaced once another authority has signed one for the same entry on the same agent', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      await store.authorities.prepare(authority('next'), by)
      await store.authorities.activate(sha256('next'), by)
      await issue(store, request(1), request(2))
      const count = (): Promise<number> => store.credentials.count({ authorityId: sha256('authority'), liveAtMs: nowMs, notReplaced: true })
      expect(await count()).toBe(2)
      await issue(store, request(1, { key: 'renewed', authorityId: sha256('next') }))
      expect(await count()).toBe(1)
      expect((await store.credentials.bySerials((await store.credentials.list({}, { size: 10 })).items.map(({ serial }) => serial))).length).toBe(3)
      expect((await store.credentials.list({ endedNotAfterMs: nowMs }, { size: 10 })).items).toEqual([])
    }))

  test('an authority is prepared once; tainted and revoked ones are not activated; unknown ones are not found', () =>
    withStore(makePlace, async (store) => {
      await store.authorities.prepare(authority('a'), by)
      await expect(store.authorities.prepare(authority('a'), by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      await store.authorities.taint(sha256('a'), by)
      await expect(store.authorities.activate(sha256('a'), by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      await store.authorities.revoke(sha256('a'), by)
      await expect(store.authorities.activate(sha256('a'), by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      await expect(store.authorities.taint(sha256('a'), by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      for (const call of ['activate', 'taint', 'revoke', 'remove'] as const) {
        await expect(store.authorities[call](sha256('none'), by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      }
    }))
}
