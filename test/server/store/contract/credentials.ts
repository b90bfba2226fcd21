import { expect, test } from 'vitest'
import type { ReserveResult } from '../../../../server/store/port.ts'
import { decodeSerial, minuteOf } from '../../../../src/core/serial.ts'
import { actorAt, agentId, agentRequest, attest, by, id, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const codes = (results: readonly ReserveResult[]) => results.map((result) => (result.ok ? 'OK' : result.code))
const places = (results: readonly ReserveResult[]) => results.map((result) => (result.ok ? decodeSerial(result.serial) : undefined))

export function credentialContract(makePlace: MakePlace): void {
  test('serials are dense within shard and minute, and carry the random bytes', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2), spec(3)], by)
      const minute = minuteOf(nowMs + 900_000)
      const first = places(await store.credentials.reserve([request(1), request(2), request(3, { notAfterMs: nowMs + 960_000 })], nowMs))
      expect(first).toMatchObject([{ shard: 1, minute, index: 0 }, { shard: 1, minute, index: 1 }, { shard: 1, minute: minute + 1, index: 0 }])
      expect(first[0]?.random).toEqual(request(1).random)
      const second = places(await store.credentials.reserve([request(1, { key: 'next' })], nowMs))
      expect(second).toMatchObject([{ minute, index: 2 }])
    }))

  test('a refused request takes no index', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const results = await store.credentials.reserve([request(9), request(1)], nowMs)
      expect(codes(results)).toEqual(['NOT_FOUND', 'OK'])
      expect(places(results)[1]).toMatchObject({ index: 0 })
    }))

  test('the ledger row is there before anything is signed, and says who, what and until when', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [result] = await store.credentials.reserve([request(1, { owner: 'team' })], nowMs)
      const serial = result?.ok === true ? Buffer.from(result.serial).toString('hex') : ''
      const { random: _random, ...written } = request(1, { owner: 'team' })
      expect(await store.credentials.bySerial(serial)).toEqual({ ...written, serial, issuedAtMs: nowMs, state: 'reserved' })
      await store.credentials.release([Buffer.from(serial, 'hex')], nowMs)
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'released' })
      expect(await store.credentials.bySerial('01'.repeat(17))).toBeUndefined()
      await expect(store.credentials.bySerial('01')).rejects.toMatchObject({ code: 'SERIAL_INVALID' })
    }))

  test('a key seen under another entry, agent or kind is refused, under its own it is not', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const two = id('/spire/agent/join_token/two')
      await attest(store, two)
      await store.entries.create([spec(1), spec(2)], by)
      await issue(store, request(1, { key: 'shared' }), agentRequest(agentId, 'agent key'))
      const results = await store.credentials.reserve([
        request(2, { key: 'shared' }),
        request(1, { key: 'shared', agentId: two }),
        request(1, { key: 'shared' }),
        agentRequest(agentId, 'shared'),
        agentRequest(two, 'agent key'),
        agentRequest(agentId, 'agent key'),
      ], nowMs)
      expect(codes(results)).toEqual(['KEY_DENIED', 'KEY_DENIED', 'OK', 'KEY_DENIED', 'KEY_DENIED', 'OK'])
    }))

  test('two requests of one batch cannot share a key', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      expect(codes(await store.credentials.reserve([request(1, { key: 'k' }), request(2, { key: 'k' })], nowMs))).toEqual(['OK', 'KEY_DENIED'])
    }))

  test('an entry that is gone, expired or names another ID by now gets nothing', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2, { expiresAtSeconds: nowMs / 1000 }), spec(3)], by)
      await store.entries.update([{ id: 'entry-3', spiffeId: id('/other') }], by)
      expect(codes(await store.credentials.reserve([request(1), request(2), request(3), request(4)], nowMs))).toEqual(['OK', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
    }))

  test('nothing is written down under an authority that is unknown or revoked', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await expect(store.credentials.reserve([request(1, { authorityId: sha256('unknown') })], nowMs)).rejects.toMatchObject({ code: 'NO_ACTIVE_AUTHORITY' })
      await store.authorities.revoke(sha256('authority'), by)
      await expect(store.credentials.reserve([request(1)], nowMs)).rejects.toMatchObject({ code: 'NO_ACTIVE_AUTHORITY' })
      expect(await store.credentials.count({})).toBe(0)
    }))

  test('what was never released is abandoned and superseded', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      await issue(store, request(1))
      await store.credentials.reserve([request(2)], nowMs)
      expect(await store.credentials.abandonUnreleased(nowMs + 1)).toBe(1)
      expect(await store.credentials.abandonUnreleased(nowMs + 1)).toBe(0)
      const { items } = await store.credentials.list({ entryId: 'entry-2' }, { size: 10 })
      expect(items).toMatchObject([{ state: 'abandoned', cause: 'abandoned', endedAtMs: nowMs + 1 }])
      expect((await store.stream.load(0)).buckets).toMatchObject([{ superseded: [1], revoked: [] }])
    }))

  test('of what is not released only what has not ended is abandoned, whatever ended it', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([1, 2, 3, 4, 5].map((n) => spec(n)), by)
      const results = await store.credentials.reserve([1, 2, 3, 4, 5].map((n) => request(n)), nowMs)
      const [first, second] = results.map((result) => (result.ok ? result.serial : new Uint8Array(0)))
      await store.credentials.release(second === undefined ? [] : [second], nowMs)
      await store.targets.revoke({ kind: 'serial', serial: Buffer.from(first ?? []).toString('hex') }, { rotate: true, dryRun: false, reason: '' }, by)
      expect(await store.credentials.abandonUnreleased(nowMs + 1)).toBe(3)
      await store.credentials.reserve([request(2, { key: 'later' })], nowMs)
      await store.authorities.revoke(sha256('authority'), by)
      expect(await store.credentials.abandonUnreleased(nowMs + 2)).toBe(0)
      const { items } = await store.credentials.list({}, { size: 10 })
      expect(items.map(({ state }) => state)).toEqual(items.map(() => 'revoked'))
      await store.journal.verify()
    }))

  test('a release of what was ended meanwhile changes nothing', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [result] = await store.credentials.reserve([request(1)], nowMs)
      const serial = result?.ok === true ? result.serial : new Uint8Array()
      await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, { rotate: false, dryRun: false, reason: '' }, by)
      await store.credentials.release([serial], nowMs)
      expect(await store.credentials.bySerial(Buffer.from(serial).toString('hex'))).toMatchObject({ state: 'revoked' })
    }))

  test('superseding sets one bit, once, and passes over what is ended or unknown', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      const [one = '', two = ''] = await issue(store, request(1), request(2))
      expect(await store.credentials.supersede([one, one.toUpperCase(), '01'.repeat(17)], by)).toBe(1)
      expect(await store.credentials.supersede([one], by)).toBe(0)
      expect(await store.credentials.bySerial(one)).toMatchObject({ state: 'superseded', cause: 'rotated' })
      expect(await store.credentials.bySerial(two)).toMatchObject({ state: 'released' })
      expect((await store.stream.load(0)).buckets).toMatchObject([{ superseded: [0], revoked: [] }])
    }))

  test('an agent can end what it obtained, and nothing else', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      const two = id('/spire/agent/join_token/two')
      await attest(store, two)
      await store.entries.create([spec(1), spec(2)], by)
      const [mine = '', theirs = '', own = ''] = await issue(store, request(1), request(2, { agentId: two }), agentRequest(agentId))
      expect(await store.credentials.endByAgent(agentId, [mine, theirs, own], 'holder_exited', by)).toBe(1)
      expect(await store.credentials.bySerial(mine)).toMatchObject({ state: 'revoked', cause: 'holder_exited' })
      expect(await store.credentials.count({ liveAtMs: nowMs })).toBe(2)
      expect(codes(await store.credentials.reserve([request(1)], nowMs))).toEqual(['OK'])
    }))

  test('pruning drops rows past their notAfter, and their indices are never given out again', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      await issue(store, request(1, { notAfterMs: nowMs + 60_000 }), request(1, { notAfterMs: nowMs + 900_000 }))
      expect(await store.credentials.prune(nowMs + 600_000, actorAt(nowMs + 600_000))).toBe(1)
      expect(await store.credentials.prune(nowMs + 600_000, actorAt(nowMs + 600_000))).toBe(0)
      expect(await store.credentials.count({})).toBe(1)
      await expect(store.credentials.reserve([request(1, { notAfterMs: nowMs + 60_000 })], nowMs)).rejects.toMatchObject({ code: 'CLOCK_JUMPED' })
      expect(places(await store.credentials.reserve([request(1)], nowMs))).toMatchObject([{ index: 1 }])
    }))

  test('credentials are listed by page and filter', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2, { owner: 'team' })], by)
      const serials = await issue(store, request(1), request(2, { owner: 'team' }), request(1), request(1, { notAfterMs: nowMs + 1_000 }))
      const first = await store.credentials.list({ entryId: 'entry-1' }, { size: 2 })
      const second = await store.credentials.list({ entryId: 'entry-1' }, { size: 2, after: first.next ?? '' })
      expect([...first.items, ...second.items].map((credential) => credential.serial).toSorted()).toEqual([serials[0], serials[2], serials[3]].toSorted())
      expect(await store.credentials.count({ owner: 'team' })).toBe(1)
      expect(await store.credentials.count({ agentId })).toBe(4)
      expect(await store.credentials.count({ spiffeId: id('/workload/1'), liveAtMs: nowMs + 1_000 })).toBe(2)
    }))
}
