import { expect, test } from 'vitest'
import type { RegisteredVerifier } from '../../../../server/store/port.ts'
import { actorAt, agentId, by, id, issue, nowMs, prepareToIssue, request, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const verifier: RegisteredVerifier = { instance: 'ab'.repeat(16), spiffeId: id('/api'), class: 'standard', software: 'mayfly 1', agentId, registeredAtMs: nowMs }

export function verifierContract(makePlace: MakePlace): void {
  test('verifiers are kept by instance, replaced and removed', () =>
    withStore(makePlace, async (store) => {
      const other = { ...verifier, instance: 'cd'.repeat(16), class: 'strict' as const }
      await store.verifiers.register([verifier, other], nowMs)
      await store.verifiers.register([{ ...verifier, software: 'mayfly 2' }], nowMs)
      expect(await store.verifiers.all()).toEqual([{ ...verifier, software: 'mayfly 2' }, other])
      const head = await store.journal.head()
      await store.verifiers.register([], nowMs)
      await store.verifiers.remove(['ee'.repeat(16)], nowMs)
      expect(await store.journal.head()).toEqual(head)
      await store.verifiers.remove([other.instance, 'ee'.repeat(16)], nowMs)
      expect(await store.verifiers.all()).toHaveLength(1)
      await store.journal.verify()
    }))

  test('uses of credentials and refusals add up by verifier, for credentials of the ledger alone, and go with them', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = '', brief = ''] = await issue(store, request(1), request(1, { notAfterMs: nowMs + 60_000 }))
      const use = { serial, verifier: id('/api'), firstMs: nowMs + 5, lastMs: nowMs + 9, count: 2 }
      expect(await store.credentials.recordUses([use, { ...use, verifier: id('/db'), lastMs: nowMs + 10 }, { ...use, serial: '01'.repeat(17) }], nowMs)).toBe(2)
      expect(await store.credentials.recordUses([{ ...use, firstMs: nowMs + 7, lastMs: nowMs + 8, count: 3 }, { ...use, serial: brief }], nowMs)).toBe(2)
      expect(await store.credentials.uses(serial, 10)).toEqual([{ ...use, verifier: id('/db'), lastMs: nowMs + 10 }, { ...use, count: 5 }])
      expect(await store.credentials.uses(serial, 1)).toHaveLength(1)
      const refusal = { ...use, verifier: id('/db'), firstMs: nowMs + 11, lastMs: nowMs + 12, refused: true as const }
      expect(await store.credentials.recordUses([refusal, { ...refusal, serial: brief }], nowMs)).toBe(2)
      expect(await store.credentials.recordUses([{ ...refusal, lastMs: nowMs + 13 }], nowMs)).toBe(1)
      expect(await store.credentials.uses(serial, 2)).toEqual([{ ...refusal, lastMs: nowMs + 13, count: 4 }, { ...use, verifier: id('/db'), lastMs: nowMs + 10 }])
      await store.credentials.prune(nowMs + 600_000, actorAt(nowMs + 600_000))
      expect(await store.credentials.uses(brief, 10)).toEqual([])
      expect(await store.credentials.uses(serial, 10)).toHaveLength(3)
      await store.journal.verify()
    }))
}
