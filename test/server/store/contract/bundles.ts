import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BundleDeleteMode } from '../../../../server/store/bundle-port.ts'
import { federationLimits } from '../../../../src/core/federated-bundle.ts'
import type { FederatedBundle } from '../../../../src/core/federated-bundle.ts'
import { parseTrustDomain } from '../../../../src/core/spiffe-id.ts'
import { by, foreignBundle, issue, prepareToIssue, request, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const partner = parseTrustDomain('partner.example')
const all = { size: 100 }

export function bundleContract(makePlace: MakePlace): void {
  test('a bundle is made once, set whatever is there, and updated by the fields that are named; what changes nothing leaves no record', () =>
    withStore(makePlace, async (store) => {
      const bundle: FederatedBundle = { ...foreignBundle('partner.example'), jwtAuthorities: [{ keyId: 'a', publicKey: Uint8Array.of(48, 1), expiresAtSeconds: 9 }], sequence: 7, refreshHintSeconds: 60 }
      expect(await store.bundles.create(bundle, by)).toEqual(bundle)
      await expect(store.bundles.create(bundle, by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      const { seq } = await store.journal.head()
      expect(await store.bundles.set({ ...bundle }, by)).toEqual(bundle)
      expect((await store.journal.head()).seq).toBe(seq)
      const later = { ...bundle, sequence: 3, jwtAuthorities: [] }
      expect(await store.bundles.set(later, by)).toEqual(later)
      const updated = await store.bundles.update({ trustDomain: partner, x509Authorities: [Uint8Array.of(48, 2)] }, by)
      expect(updated).toEqual({ ...later, x509Authorities: [Uint8Array.of(48, 2)] })
      expect(await store.bundles.list(all)).toEqual({ items: [updated] })
      await expect(store.bundles.update({ trustDomain: parseTrustDomain('nobody.example'), sequence: 1 }, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.bundles.set(foreignBundle('example.org'), by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await store.journal.verify()
    }))

  test('bundles are listed by name, page by page', () =>
    withStore(makePlace, async (store) => {
      for (const name of ['c.example', 'a.example', 'b.example']) await store.bundles.set(foreignBundle(name), by)
      const first = await store.bundles.list({ size: 2 })
      expect(first.items.map(({ trustDomain }) => trustDomain)).toEqual(['a.example', 'b.example'])
      const second = await store.bundles.list({ size: 2, after: first.next ?? '' })
      expect([second.items.map(({ trustDomain }) => trustDomain), second.next]).toEqual([['c.example'], undefined])
      await expect(store.bundles.list({ size: 2, after: 'entries:x' })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
    }))

  test('an entry names only trust domains whose bundle is here; what it named before, it keeps', () =>
    withStore(makePlace, async (store) => {
      const [unknown] = await store.entries.create([spec(1, { federatesWith: ['partner.example'] })], by)
      expect(unknown).toMatchObject({ ok: false, code: 'BUNDLE_UNKNOWN' })
      await store.bundles.set(foreignBundle('partner.example'), by)
      const [known, own] = await store.entries.create([spec(1, { federatesWith: ['partner.example'] }), spec(2, { federatesWith: ['example.org'] })], by)
      expect([known?.ok, own?.ok]).toEqual([true, false])
      expect(await store.entries.update([{ id: 'entry-1', hint: 'x' }, { id: 'entry-1', federatesWith: ['partner.example', 'other.example'] }], by)).toMatchObject([{ ok: true }, { ok: false, code: 'BUNDLE_UNKNOWN' }])
    }))

  test('a bundle that entries name is not deleted; they are dissociated or deleted with it, credentials too, in pieces that each leave all in order', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.bundles.set(foreignBundle('partner.example'), by)
      await store.bundles.set(foreignBundle('other.example'), by)
      await store.entries.create([spec(1, { federatesWith: ['partner.example', 'other.example'] }), spec(2)], by)
      const [serial = ''] = await issue(store, request(1))
      await expect(store.bundles.delete(partner, 'restrict', by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', message: expect.stringMatching(/federated with 1 registration entry/) as string })
      expect(await store.bundles.delete(partner, 'dissociate', by)).toEqual({ entries: 1, more: false })
      expect(await store.entries.byId('entry-1')).toMatchObject({ federatesWith: ['other.example'], revision: 1 })
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'released' })
      await expect(store.bundles.delete(partner, 'restrict', by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await store.bundles.delete(parseTrustDomain('other.example'), 'delete', by)).toEqual({ entries: 1, more: false })
      expect(await store.entries.byId('entry-1')).toBeUndefined()
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'entry_deleted' })
      expect(await store.bundles.list(all)).toEqual({ items: [] })
      await store.journal.verify()
    }))

  test('of very many entries a piece goes at a time, and the bundle with the last', () =>
    withStore(makePlace, async (store) => {
      await store.bundles.set(foreignBundle('partner.example'), by)
      await store.entries.create(Array.from({ length: 501 }, (_, n) => spec(n, { federatesWith: ['partner.example'] })), by)
      expect(await store.bundles.delete(partner, 'dissociate', by)).toEqual({ entries: 500, more: true })
      expect((await store.bundles.list(all)).items).toHaveLength(1)
      expect(await store.bundles.delete(partner, 'dissociate', by)).toEqual({ entries: 1, more: false })
      expect(await store.entries.count({ federatesWith: { match: 'any', trustDomains: ['partner.example'] } })).toBe(0)
      expect((await store.bundles.list(all)).items).toEqual([])
    }))

  test('their number is bounded', () =>
    withStore(makePlace, async (store) => {
      const made = Array.from({ length: federationLimits.bundles }, async (_, n) => await store.bundles.set(foreignBundle(`d${n}.example`), by))
      await Promise.all(made)
      await expect(store.bundles.set(foreignBundle('one.more.example'), by)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
      await store.bundles.set(foreignBundle('d1.example', 2), by)
    }))

  test('over any sequence of calls the bundles are those of a map, and no entry names one that is not there', { timeout: 60_000 }, () =>
    withStore(makePlace, async (store) => {
      const names = ['a.example', 'b.example', 'c.example'] as const
      const step = fc.oneof(
        fc.record({ do: fc.constant('set' as const), name: fc.constantFrom(...names), n: fc.nat({ max: 3 }) }),
        fc.record({ do: fc.constant('entry' as const), id: fc.nat({ max: 5 }), names: fc.subarray([...names]) }),
        fc.record({ do: fc.constant('delete' as const), name: fc.constantFrom(...names), mode: fc.constantFrom<BundleDeleteMode>('restrict', 'delete', 'dissociate') }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const bundles = new Map<string, number>()
          const entries = new Map<number, readonly string[]>()
          for (const next of steps) {
            if (next.do === 'set') {
              await store.bundles.set(foreignBundle(next.name, next.n), by)
              bundles.set(next.name, next.n)
            } else if (next.do === 'entry') {
              const [result] = entries.has(next.id) ? await store.entries.update([{ id: `entry-${next.id}`, federatesWith: next.names }], by) : await store.entries.create([spec(next.id, { federatesWith: next.names })], by)
              expect(result?.ok).toBe(next.names.every((name) => bundles.has(name)))
              if (result?.ok === true) entries.set(next.id, next.names)
            } else {
              const named = [...entries].filter(([, those]) => those.includes(next.name))
              const isDone = await store.bundles.delete(parseTrustDomain(next.name), next.mode, by).then(() => true, () => false)
              expect(isDone).toBe(bundles.has(next.name) && (next.mode !== 'restrict' || named.length === 0))
              if (!isDone) continue
              bundles.delete(next.name)
              for (const [id, those] of named) {
                if (next.mode === 'delete') entries.delete(id)
                else entries.set(id, those.filter((name) => name !== next.name))
              }
            }
          }
          const kept = (await store.bundles.list(all)).items.map(({ trustDomain, sequence }) => [trustDomain, sequence])
          expect(kept).toEqual([...bundles].toSorted(([left], [right]) => (left < right ? -1 : 1)))
          const found = (await store.entries.list({}, all)).items.map(({ id, federatesWith }) => [id, federatesWith])
          expect(found).toEqual([...entries].toSorted(([left], [right]) => left - right).map(([id, those]) => [`entry-${id}`, those]))
          await store.journal.verify()
          for (const name of bundles.keys()) await store.bundles.delete(parseTrustDomain(name), 'delete', by)
          await store.entries.delete([...entries.keys()].map((id) => `entry-${id}`), by)
        }),
        { numRuns: 25 },
      )
    }))
}
