import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RestorePlan, Store } from '../../../../server/store/port.ts'
import { parseSerial } from '../../../../src/core/serial.ts'
import { openAt } from '../../../support/store/open.ts'
import { actorAt, agentRequest, agentId, attest, authority, by, id, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const epoch = nowMs / 1_000
const seen = { epoch, seq: 40, chainHash: sha256('head') }

function plan(name: string, overrides: Partial<RestorePlan> = {}): RestorePlan {
  return { authority: { ...authority(name), vouchers: [Uint8Array.from([48, 2])] }, leavesEndByMs: nowMs + 3_600_000, agentsReturn: true, reason: 'disk lost', ...overrides }
}

async function prepared(store: Store): Promise<string> {
  await prepareToIssue(store)
  await store.entries.create([spec(1), spec(2)], by)
  const [serial = ''] = await issue(store, request(1))
  return serial
}

export function recoveryContract(makePlace: MakePlace): void {
  test('a store that was shown a head above its own reserves nothing any more but the server\'s own SVID, and says what it was shown', () =>
    withStore(makePlace, async (store) => {
      await prepared(store)
      expect(await store.recovery.rolledBack()).toBeUndefined()
      await store.recovery.noteRolledBack(seen, { name: agentId, atMs: nowMs + 1 })
      expect(await store.recovery.rolledBack()).toEqual({ ...seen, by: agentId, atMs: nowMs + 1 })
      await expect(store.credentials.reserve([request(2)], nowMs)).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK', details: { epoch, seq: 40 } })
      await expect(store.credentials.reserve([agentRequest(agentId)], nowMs)).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK' })
      await expect(store.authorities.prepare(authority('next'), by)).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK' })
      const { entryId: _entry, agentId: _agent, ...own } = request(0, { key: 'own' })
      expect(await store.credentials.reserve([{ ...own, kind: 'server', spiffeId: id('/spire/server') }], nowMs)).toMatchObject([{ ok: true }])
      await store.journal.verify()
    }))

  test('the highest head that was shown is kept', () =>
    withStore(makePlace, async (store) => {
      await store.recovery.noteRolledBack(seen, by)
      await store.recovery.noteRolledBack({ ...seen, seq: 39 }, by)
      expect(await store.recovery.rolledBack()).toMatchObject({ seq: 40 })
      await store.recovery.noteRolledBack({ ...seen, epoch: epoch + 5, seq: 1 }, by)
      expect(await store.recovery.rolledBack()).toMatchObject({ epoch: epoch + 5, seq: 1 })
      await expect(store.recovery.noteRolledBack({ ...seen, chainHash: 'x' }, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('a restore ends every authority and what they signed, takes another shard and a higher epoch, and voids open join tokens', async () => {
    await using place = await makePlace()
    let serial = ''
    {
      await using store = await place.open()
      serial = await prepared(store)
      await store.authorities.prepare(authority('next'), by)
      await store.agents.createJoinToken({ tokenHash: sha256('open'), agentId: id('/spire/agent/join_token/two'), expiresAtMs: nowMs + 600_000 }, by)
      await store.recovery.noteRolledBack({ ...seen, epoch: epoch + 50 }, by)
      const restored = await store.recovery.restore(plan('fresh'), actorAt(nowMs + 1_000))
      expect(restored).toMatchObject({ epoch: epoch + 51, credentials: 1 })
      expect(restored.shard).not.toBe(1)
      expect(restored.endedAuthorities).toEqual([authority('authority'), authority('next')].map(({ id: endedId, keyName }) => ({ id: endedId, keyName })).toSorted((a, b) => (a.id < b.id ? -1 : 1)))
      expect(await store.recovery.rolledBack()).toBeUndefined()
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'authority_revoked' })
      expect(await store.authorities.bundleSequence()).toBeGreaterThan(epoch + 51)
      const all = new Map((await store.authorities.all()).map((one) => [one.id, one]))
      expect(all.get(sha256('authority'))).toMatchObject({ state: 'revoked', endedByRestore: 'agents_return' })
      expect(all.get(sha256('next'))).toMatchObject({ state: 'revoked', endedByRestore: 'agents_return' })
      expect(all.get(sha256('fresh'))).toMatchObject({ state: 'active' })
      expect(Buffer.from(all.get(sha256('fresh'))?.vouchers?.[0] ?? [])).toEqual(Buffer.from([48, 2]))
      const set = await store.stream.load(0)
      expect(set.authorities).toEqual([sha256('authority'), sha256('next'), sha256('fresh')].toSorted().map((one) => ({ id: one, revoked: one !== sha256('fresh') })))
      expect((await store.stream.eventsAfter(0, 10)).map(({ seq }) => seq)).toEqual([1, 2, 3])
      await expect(store.agents.redeemJoinToken(sha256('open'), nowMs + 2_000)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
      await store.journal.verify()
    }
    await using store = await place.open()
    expect(store.domain.epoch).toBe(epoch + 51)
    const [next = ''] = await issue(store, request(1, { key: 'new', authorityId: sha256('fresh') }))
    expect(parseSerial(next).shard).toBe(store.domain.shard)
  })

  test('a shard is not taken again before its last credential has expired, and two restores of one store do not take the same', () =>
    withStore(makePlace, async (store) => {
      const taken = new Set([1])
      for (let at = 1; at <= 126; at++) {
        const { shard } = await store.recovery.restore(plan(`a${at}`), actorAt(nowMs + at * 1_000))
        expect(taken.has(shard)).toBe(false)
        taken.add(shard)
      }
      await expect(store.recovery.restore(plan('b'), actorAt(nowMs + 200_000))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
      expect((await store.recovery.restore(plan('b'), actorAt(nowMs + 3_600_000))).shard).toBeGreaterThan(0)
    }))

  test('a copy that is made while others write is whole, and verifies', () =>
    withStore(makePlace, async (store) => {
      const folder = await mkdtemp(join(tmpdir(), 'mf-copy-'))
      try {
        await prepared(store)
        await store.entries.create(Array.from({ length: 2_000 }, (_, n) => spec(n + 10)), by)
        let copied = false
        const copying = store.recovery.copyTo(join(folder, 'copy.db')).finally(() => (copied = true))
        let written = 0
        while (!copied) await attest(store, id(`/spire/agent/join_token/w${written++}`))
        await copying
        expect(written).toBeGreaterThan(0)
        await using copy = await openAt(join(folder, 'copy.db'))
        const { records } = await copy.journal.verify()
        const head = await copy.journal.head()
        expect(records).toBe(head.seq)
        expect((await store.journal.head()).seq).toBeGreaterThanOrEqual(head.seq)
        await expect(store.recovery.copyTo(join(folder, 'copy.db'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
        await expect(store.recovery.copyTo(join(folder, 'none/copy.db'))).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }))
}
