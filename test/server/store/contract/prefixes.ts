import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEvent, maxClosedPrefixes } from '../../../../src/core/revocation/codec.ts'
import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { ClosePrefixOptions, CredentialRequest, Store } from '../../../../server/store/port.ts'
import { actorAt, by, id, issue, nowMs, prepareToIssue, request } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const options: ClosePrefixOptions = { untilMs: nowMs, cause: 'operator', reason: 'over' }

/** A request for the SVID of a grant, with a key of its own. */
function grantRequest(path: string, overrides: Partial<CredentialRequest & { readonly key: string }> = {}): CredentialRequest {
  const { entryId: _entryId, ...rest } = request(0, { key: `key of ${path}`, spiffeId: id(path), ...overrides })
  return rest
}

async function eventsOf(store: Store): Promise<(string | undefined)[]> {
  return (await store.stream.eventsAfter(0, 10_000)).map(({ event }) => decodeEvent(event)?.kind)
}

export function prefixContract(makePlace: MakePlace): void {
  test('closing the ID of a grant ends it and all below it by one event, and nothing beside it; nothing is issued under it any more', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const [root, child, grandchild, sibling, longer, other] = await issue(store, ...['/bot/task/1', '/bot/task/1/sub/a', '/bot/task/1/sub/a/sub/b', '/bot/task/1/sub/ab', '/bot/task/11', '/top/task/1'].map((path) => grantRequest(path)))
      const { hits, streamSeq } = await store.targets.closePrefix(id('/bot/task/1/sub/a'), options, by)
      expect(new Set(hits.serials)).toEqual(new Set([child, grandchild]))
      expect(hits).toMatchObject({ credentials: 2, workloads: 2 })
      expect(streamSeq).toBe((await store.stream.head()).seq)
      expect(await eventsOf(store)).toEqual(['authority_indexed', 'prefix_closed'])
      expect(await store.stream.load(0)).toMatchObject({ buckets: [], prefixes: [{ prefix: id('/bot/task/1/sub/a'), minute: Math.floor((nowMs + 900_000) / 60_000) }] })
      for (const serial of [child, grandchild]) expect(await store.credentials.bySerial(serial ?? '')).toMatchObject({ state: 'revoked', cause: 'operator', reason: 'over' })
      for (const serial of [root, sibling, longer, other]) expect(await store.credentials.bySerial(serial ?? '')).toMatchObject({ state: 'released' })
      const later = await store.credentials.reserve(['/bot/task/1/sub/a', '/bot/task/1/sub/a/sub/c', '/bot/task/1', '/bot/task/1/sub/c'].map((path) => grantRequest(path, { key: `second of ${path}` })), nowMs)
      expect(later.map((result) => (result.ok ? 'ok' : result.code))).toEqual(['TARGET_DISABLED', 'TARGET_DISABLED', 'ok', 'ok'])
      await store.journal.verify()
    }))

  test('its keys are denied as those of a revocation are; what is superseded is ended too', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const [serial = ''] = await issue(store, grantRequest('/bot/task/1', { key: 'k' }))
      await store.credentials.supersede([serial], by)
      expect((await store.targets.closePrefix(id('/bot/task/1'), options, by)).hits.credentials).toBe(1)
      expect(await store.credentials.reserve([grantRequest('/bot/task/1', { key: 'k' })], nowMs)).toMatchObject([{ ok: false }])
      expect(await store.targets.endKey(request(0, { key: 'k' }).publicKeyHash, { denyUnknown: false, reason: '' }, by)).toMatchObject({ known: true, denied: true, hits: { credentials: 0 } })
    }))

  test('closing it again, or what lies below it, changes nothing', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await issue(store, grantRequest('/bot/task/1/sub/a'))
      const first = await store.targets.closePrefix(id('/bot/task/1'), options, by)
      const { seq } = await store.journal.head()
      for (const path of ['/bot/task/1', '/bot/task/1/sub/a']) expect(await store.targets.closePrefix(id(path), options, by)).toMatchObject({ hits: { credentials: 0 }, streamSeq: first.streamSeq })
      expect((await store.journal.head()).seq).toBe(seq)
    }))

  test('without a live credential under it nothing is said in the stream, and nothing is issued all the same', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await issue(store, grantRequest('/bot/task/1', { notAfterMs: nowMs }))
      await store.targets.closePrefix(id('/bot/task/1'), options, actorAt(nowMs + 1))
      expect(await eventsOf(store)).toEqual(['authority_indexed'])
      expect(await store.credentials.reserve([grantRequest('/bot/task/1', { key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'TARGET_DISABLED' }])
      await store.journal.verify()
    }))

  test.for(['/bot', '/bot/task', '/task/1', '/bot/task/1/sub', '/bot/task/1/2'])('%s is not the ID of a grant', (path) =>
    withStore(makePlace, async (store) => {
      await expect(store.targets.closePrefix(id(path), options, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('a thousand are closed at a time; beyond, trees end by bits, until the first may be dropped', { timeout: 60_000 }, () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const paths = Array.from({ length: maxClosedPrefixes + 2 }, (_, n) => `/bot/task/${n}`)
      await issue(store, ...paths.map((path) => grantRequest(path)), grantRequest(`${paths.at(-1)}/sub/child`))
      await Promise.all(paths.slice(0, maxClosedPrefixes).map((path) => store.targets.closePrefix(id(path), options, by)))
      expect((await store.stream.load(0)).prefixes).toHaveLength(maxClosedPrefixes)
      const { hits } = await store.targets.closePrefix(id(paths.at(-1) ?? ''), options, by)
      expect(hits.credentials).toBe(2)
      const set = await store.stream.load(0)
      expect(set.prefixes).toHaveLength(maxClosedPrefixes)
      expect(set.buckets.flatMap(({ revoked }) => revoked)).toHaveLength(2)
      expect(await store.credentials.reserve([grantRequest(`${paths.at(-1)}/sub/next`)], nowMs)).toMatchObject([{ ok: false, code: 'TARGET_DISABLED' }])

      // a minute, and five more, after the last that was issued under the closed ones ended
      const later = nowMs + 900_000 + 360_000
      await store.credentials.reserve([grantRequest('/bot/task/1001', { key: 'late', notAfterMs: later + 60_000 }), grantRequest('/late/task/1', { notAfterMs: later + 60_000 })], later)
      await store.targets.closePrefix(id('/late/task/1'), { ...options, untilMs: later + 600_000 }, actorAt(later))
      expect((await store.stream.load(0)).prefixes).toContainEqual({ prefix: id('/late/task/1'), minute: Math.floor((later + 600_000) / 60_000) })
      await store.journal.verify()
    }))

  test('the rows go with the ledger: bounded, and replayed alike', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await issue(store, grantRequest('/bot/task/1'))
      await store.targets.closePrefix(id('/bot/task/1'), options, by)
      await store.credentials.prune(nowMs + 900_001, actorAt(nowMs + 900_001))
      expect((await store.stream.load(0)).prefixes).toHaveLength(1)
      await issue(store, grantRequest('/bot/task/2', { notAfterMs: nowMs + 7_200_000 }))
      await issue(store, grantRequest('/bot/task/3', { notAfterMs: nowMs + 3_600_000 }))
      await store.credentials.prune(nowMs + 3_600_001, actorAt(nowMs + 3_600_001))
      expect((await store.stream.load(0)).prefixes).toEqual([])
      await store.journal.verify()
    }))

  test('whatever trees end, and in whatever order: what is under a closed one is ended and stays so, all else is live', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), treePath), { minLength: 4, maxLength: 14 }), (steps) =>
        withStore(makePlace, async (store) => {
          await prepareToIssue(store)
          const closed: SpiffeId[] = []
          const isUnder = (one: SpiffeId): boolean => closed.some((prefix) => one === prefix || one.startsWith(`${prefix}/`))
          for (const [at, [closes, path]] of steps.entries()) {
            if (closes) {
              await store.targets.closePrefix(id(path), options, by)
              closed.push(id(path))
            } else expect(await store.credentials.reserve([grantRequest(path, { key: `${at}` })], nowMs)).toMatchObject([{ ok: !isUnder(id(path)) }])
          }
          const { items } = await store.credentials.list({}, { size: 100 })
          for (const { spiffeId, state } of items) expect([spiffeId, state]).toEqual([spiffeId, isUnder(spiffeId) ? 'revoked' : 'reserved'])
          await store.journal.verify()
        })),
      { numRuns: 8 },
    ))
}

const treePath = fc
  .tuple(fc.constantFrom('/a/task/1', '/a/task/2', '/b/task/1'), fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }))
  .map(([root, subs]) => [root, ...subs.map((sub) => `/sub/${sub}`)].join(''))
