import { expect, test } from 'vitest'
import { decodeEvent } from '../../../../src/core/revocation/codec.ts'
import type { Store } from '../../../../server/store/port.ts'
import { actorAt, agentId, by, id, issue, nowMs, prepareToIssue, request, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const laterMs = nowMs + 600_000
const later = actorAt(laterMs)
const options = { rotate: false, dryRun: false, reason: '' }
const minute = Math.floor(laterMs / 60_000)

/** Two workloads that are live: the first has been renewed, and what it had before has expired. */
async function renewed(store: Store): Promise<void> {
  await prepareToIssue(store)
  await store.entries.create([spec(1, { owner: 'team-a' }), spec(2, { owner: 'team-a' })], by)
  const owner = { owner: 'team-a' }
  await issue(store, request(1, { ...owner, key: 'before', notAfterMs: nowMs + 300_000 }), request(1, { ...owner, key: 'now', notAfterMs: nowMs + 900_000 }), request(2, { ...owner, notAfterMs: nowMs + 900_000 }))
}

async function identitiesEnded(store: Store): Promise<unknown[]> {
  const events = await store.stream.eventsAfter(0, 1_000)
  return events.map(({ event }) => decodeEvent(event)).filter((event) => event?.kind === 'identity_ended')
}

export function identityContract(makePlace: MakePlace): void {
  test.each([
    ['its ID', { kind: 'id', id: id('/workload/1') }],
    ['its entry', { kind: 'entry', entryId: 'entry-1' }],
    ['its owner', { kind: 'owner', owner: 'team-a' }],
    ['its agent', { kind: 'agent', id: agentId }],
  ] as const)('who is ended by %s and had credentials that have expired is named in the stream, once and before the bits; who had none is not', (_, target) =>
    withStore(makePlace, async (store) => {
      await renewed(store)
      await store.targets.revoke(target, options, later)
      expect(await identitiesEnded(store)).toEqual([{ kind: 'identity_ended', id: id('/workload/1'), minute }])
      const kinds = (await store.stream.eventsAfter(1, 10)).map(({ event }) => decodeEvent(event)?.kind)
      expect(kinds[0]).toBe('identity_ended')
      expect(new Set(kinds.slice(1))).toEqual(new Set(['revoked']))
      await store.journal.verify()
    }),
  )

  test.each([
    ['its ID', { kind: 'id', id: id('/workload/1') }],
    ['its entry', { kind: 'entry', entryId: 'entry-1' }],
  ] as const)('who is ended by %s and has nothing left that is live is named', (_, target) =>
    withStore(makePlace, async (store) => {
      await renewed(store)
      const long = actorAt(nowMs + 1_200_000)
      expect(await store.targets.revoke(target, options, long)).toMatchObject({ hits: { credentials: 0 } })
      expect(await identitiesEnded(store)).toMatchObject([{ id: id('/workload/1') }])
    }),
  )

  test('nobody is named for a rotation, a serial, a dry run or the exit of a last holder', () =>
    withStore(makePlace, async (store) => {
      await renewed(store)
      const [live] = (await store.credentials.list({ entryId: 'entry-1', liveAtMs: laterMs }, { size: 10 })).items
      await store.targets.revoke({ kind: 'agent', id: agentId }, { ...options, dryRun: true }, later)
      await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, { ...options, rotate: true }, later)
      await store.targets.revoke({ kind: 'serial', serial: live?.serial ?? '' }, options, later)
      const [other] = (await store.credentials.list({ entryId: 'entry-2', liveAtMs: laterMs }, { size: 10 })).items
      await store.credentials.endByAgent(agentId, [other?.serial ?? ''], 'holder_exited', later)
      expect(await identitiesEnded(store)).toEqual([])
    }))
}
