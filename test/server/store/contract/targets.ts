import { expect, test } from 'vitest'
import type { RevokeOptions, Store, Target } from '../../../../server/store/port.ts'
import { actorAt, agentId, agentRequest, attest, by, id, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const options: RevokeOptions = { rotate: false, dryRun: false, reason: 'leaked' }

export function targetContract(makePlace: MakePlace): void {
  const owned = { owner: 'team' }

  test.for<[string, Target, number]>([
    ['an ID', { kind: 'id', id: id('/workload/1') }, 2],
    ['an entry', { kind: 'entry', entryId: 'entry-1' }, 2],
    ['an agent', { kind: 'agent', id: agentId }, 4],
    ['the ID of an agent', { kind: 'id', id: agentId }, 4],
    ['an owner', { kind: 'owner', owner: 'team' }, 3],
  ])('revoking %s ends all that is live under it and disables it', ([, target, expected]) =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await attest(store, id('/spire/agent/join_token/two'))
      await store.entries.create([spec(1, owned), spec(2, owned), spec(3)], by)
      await issue(store, request(1, owned), request(1, { ...owned, key: 'renewed' }), request(2, owned), agentRequest(agentId), request(3, { agentId: id('/spire/agent/join_token/two') }))
      const { hits, streamSeq } = await store.targets.revoke(target, options, by)
      expect(hits.credentials).toBe(expected)
      expect(streamSeq).toBe((await store.stream.head()).seq)
      expect((await store.stream.load(0)).buckets[0]?.revoked).toHaveLength(expected)
      const blocked = target.kind === 'agent' || target.kind === 'id' && target.id === agentId ? agentRequest(agentId, 'new') : request(1, { ...owned, key: 'new' })
      expect(await store.credentials.reserve([blocked], nowMs)).toMatchObject([{ ok: false, code: 'TARGET_DISABLED' }])
      expect(await store.credentials.reserve([request(3, { agentId: id('/spire/agent/join_token/two'), key: 'new 3' })], nowMs)).toMatchObject([{ ok: true }])
      const [disabled] = await store.targets.disabled()
      expect(disabled).toMatchObject({ reason: 'leaked', by: by.name, atMs: nowMs })

      await store.targets.enable(target, 'mended', by)
      expect(await store.targets.disabled()).toEqual([])
      expect(await store.credentials.reserve([blocked], nowMs)).toMatchObject([{ ok: true }])
    }))

  test.for<[string, (store: Store, serial: string) => Promise<unknown>]>([
    ['one credential', (store, serial) => store.targets.revoke({ kind: 'serial', serial }, options, by)],
    ['what is replaced', (store) => store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, { ...options, rotate: true }, by)],
    ['a leaked key', (store) => store.targets.endKey(sha256('mine'), { denyUnknown: false, reason: '' }, by)],
  ])('the end of %s raises the revision of its entry and of no other, so that agents that only compare revisions sign anew', ([, end]) =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      const [serial = ''] = await issue(store, request(1, { key: 'mine' }), request(2))
      await end(store, serial)
      expect(await Promise.all(['entry-1', 'entry-2'].map((entryId) => store.entries.byId(entryId)))).toMatchObject([{ revision: 1, spiffeId: id('/workload/1') }, { revision: 0 }])
      await store.journal.verify()
    }))

  test('an authority of a server further down is revoked in the stream with its credential, and by nothing less; replay gives the same', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await issue(store, { ...request(1, { key: 'its authority' }), kind: 'downstream' })
      const listed = async (): Promise<boolean | undefined> => (await store.stream.load(0)).authorities.find(({ id: authorityId }) => authorityId === sha256('its authority'))?.revoked
      await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, { ...options, rotate: true }, by)
      expect(await listed()).toBeUndefined()
      await store.entries.delete(['entry-1'], by)
      expect(await listed()).toBe(true)
      expect(await store.credentials.reserve([{ ...request(1, { key: 'its authority' }), kind: 'downstream' }], nowMs)).toMatchObject([{ ok: false }])
      await store.journal.verify()
    }))

  test('a leaked key ends all that was issued to it and is refused from then on; again it changes nothing', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      await issue(store, request(1, { key: 'leaked' }), request(1, { key: 'leaked' }), request(1, { key: 'other' }))
      const said = { denyUnknown: false, reason: 'found' }
      const ended = await store.targets.endKey(sha256('leaked'), said, by)
      expect(ended).toMatchObject({ known: true, denied: true, hits: { credentials: 2 } })
      expect((await store.stream.load(0)).buckets[0]?.revoked).toHaveLength(2)
      expect(await store.credentials.reserve([request(1, { key: 'leaked' })], nowMs)).toMatchObject([{ ok: false, code: 'KEY_DENIED' }])
      expect(await store.credentials.reserve([request(1, { key: 'other' })], nowMs)).toMatchObject([{ ok: true }])
      const { seq } = await store.journal.head()
      expect(await store.targets.endKey(sha256('leaked'), said, by)).toMatchObject({ known: true, denied: true, hits: { credentials: 0 }, streamSeq: ended.streamSeq })
      expect((await store.journal.head()).seq).toBe(seq)
    }))

  test('a leaked key is denied also when all that it had is over; an unknown one only when that is asked for', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      await issue(store, request(1, { key: 'old' }))
      const later = actorAt(nowMs + 86_400_000)
      expect(await store.targets.endKey(sha256('old'), { denyUnknown: false, reason: '' }, later)).toMatchObject({ known: true, denied: true, hits: { credentials: 0 } })
      expect(await store.credentials.reserve([request(1, { key: 'old' })], nowMs)).toMatchObject([{ ok: false, code: 'KEY_DENIED' }])
      const { seq } = await store.journal.head()
      expect(await store.targets.endKey(sha256('never seen'), { denyUnknown: false, reason: '' }, by)).toMatchObject({ known: false, denied: false })
      expect((await store.journal.head()).seq).toBe(seq)
      expect(await store.targets.endKey(sha256('never seen'), { denyUnknown: true, reason: 'in a repository' }, by)).toMatchObject({ known: false, denied: true })
      expect(await store.credentials.reserve([request(1, { key: 'never seen' })], nowMs)).toMatchObject([{ ok: false, code: 'KEY_DENIED' }])
      await expect(store.targets.endKey('not a hash', { denyUnknown: true, reason: '' }, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await store.journal.verify()
    }))

  test('the keys of revoked credentials are refused, also after the target is enabled', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await issue(store, request(1))
      await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, options, by)
      await store.targets.enable({ kind: 'entry', entryId: 'entry-1' }, '', by)
      expect(await store.credentials.reserve([request(1), request(1, { key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'KEY_DENIED' }, { ok: true }])
    }))

  test('revoking a serial ends that credential and its key, and the workload may have a new one', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = '', other = ''] = await issue(store, request(1), request(1, { key: 'other' }))
      const { hits } = await store.targets.revoke({ kind: 'serial', serial }, options, by)
      expect(hits).toEqual({ credentials: 1, workloads: 1, owners: [], serials: [serial] })
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'operator', reason: 'leaked' })
      expect(await store.credentials.bySerial(other)).toMatchObject({ state: 'released' })
      expect(await store.targets.disabled()).toEqual([])
      expect(await store.credentials.reserve([request(1), request(1, { key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'KEY_DENIED' }, { ok: true }])
      await expect(store.targets.revoke({ kind: 'serial', serial: '01'.repeat(17) }, options, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.targets.disable({ kind: 'serial', serial }, '', by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('revoking a serial ends what else was issued to its key', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = ''] = await issue(store, request(1), request(1))
      expect((await store.targets.revoke({ kind: 'serial', serial }, options, by)).hits.credentials).toBe(2)
    }))

  test('with rotate the target stays enabled, the credentials are superseded, their keys are not denied', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await issue(store, request(1))
      expect((await store.targets.revoke({ kind: 'id', id: id('/workload/1') }, { ...options, rotate: true }, by)).hits.credentials).toBe(1)
      expect((await store.stream.load(0)).buckets).toMatchObject([{ superseded: [0], revoked: [] }])
      expect(await store.targets.disabled()).toEqual([])
      expect(await store.credentials.reserve([request(1)], nowMs)).toMatchObject([{ ok: true }])
      expect((await store.targets.revoke({ kind: 'id', id: id('/workload/1') }, { ...options, dryRun: true, rotate: true }, by)).hits.credentials).toBe(1)
    }))

  test('what is superseded or abandoned is revoked too: its holder may have connections open', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = ''] = await issue(store, request(1))
      await store.credentials.supersede([serial], by)
      await store.credentials.reserve([request(1, { key: 'lost' })], nowMs)
      await store.credentials.abandonUnreleased(nowMs)
      expect((await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, options, by)).hits.credentials).toBe(2)
      expect((await store.stream.load(0)).buckets).toMatchObject([{ superseded: [0, 1], revoked: [0, 1] }])
    }))

  test('a target without live credentials is disabled all the same', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      expect((await store.targets.revoke({ kind: 'id', id: id('/workload/1') }, options, by)).hits.credentials).toBe(0)
      expect(await store.credentials.reserve([request(1)], nowMs)).toMatchObject([{ ok: false, code: 'TARGET_DISABLED' }])
    }))

  test('more than ten hits must be expected by number, and then exactly', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create(Array.from({ length: 11 }, (_, n) => spec(n, owned)), by)
      await issue(store, ...Array.from({ length: 11 }, (_, n) => request(n, owned)))
      const target: Target = { kind: 'owner', owner: 'team' }
      const before = await store.journal.head()
      await expect(store.targets.revoke(target, options, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', details: { hits: 11 } })
      await expect(store.targets.revoke(target, { ...options, expect: 10 }, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      expect((await store.targets.revoke(target, { ...options, dryRun: true }, by)).hits).toMatchObject({ credentials: 11, workloads: 11, owners: ['team'] })
      expect(await store.journal.head()).toEqual(before)
      expect((await store.targets.revoke(target, { ...options, expect: 11 }, by)).hits.credentials).toBe(11)
      expect(await store.credentials.count({ liveAtMs: nowMs })).toBe(0)
    }))

  test('expired and revoked credentials are not hit again', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await issue(store, request(1), request(1, { notAfterMs: nowMs }))
      expect((await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, options, by)).hits.credentials).toBe(1)
      expect((await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, options, by)).hits.credentials).toBe(0)
    }))

  test.for<[Target]>([
    [{ kind: 'id', id: id('/nobody') }], [{ kind: 'entry', entryId: 'nothing' }], [{ kind: 'agent', id: id('/spire/agent/no') }], [{ kind: 'owner', owner: 'nobody' }], [{ kind: 'owner', owner: '' }],
  ])('%j does not exist', ([target]) =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await expect(store.targets.revoke(target, options, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.targets.disable(target, '', by)).rejects.toSatisfy((error) => ['NOT_FOUND', 'INVALID_ARGUMENT'].includes((error as { code: string }).code))
    }))

  test('disabling is idempotent, the first reason stays, and enabling what is not disabled is refused', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1)], by)
      const target: Target = { kind: 'entry', entryId: 'entry-1' }
      await store.targets.disable(target, 'first', by)
      await store.targets.disable(target, 'second', by)
      expect(await store.targets.disabled()).toEqual([{ target, reason: 'first', by: by.name, atMs: nowMs }])
      expect(await store.entries.byId('entry-1')).toMatchObject({ disabled: true })
      await store.targets.enable(target, '', by)
      expect(await store.entries.byId('entry-1')).toMatchObject({ disabled: false })
      await expect(store.targets.enable(target, '', by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }))

  test('a disabled entry that is deleted and made again is still disabled', () =>
    withStore(makePlace, async (store) => {
      await store.entries.create([spec(1)], by)
      await store.targets.disable({ kind: 'entry', entryId: 'entry-1' }, '', by)
      await store.entries.delete(['entry-1'], by)
      expect(await store.entries.create([spec(1)], by)).toMatchObject([{ ok: true, value: { disabled: true } }])
    }))

  test('a disabled agent cannot join', () =>
    withStore(makePlace, async (store) => {
      await attest(store, agentId, 'first')
      await store.targets.disable({ kind: 'agent', id: agentId }, '', by)
      await expect(attest(store, agentId, 'second')).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
    }))
}
