import { expect, test } from 'vitest'
import { agentId, agentRequest, attest, by, id, issue, nowMs, prepareToIssue, request, sha256, spec } from '../../../support/store/samples.ts'
import type { Selector } from '../../../../src/core/selector.ts'
import { withStore, type MakePlace } from '../contract.ts'

export function agentContract(makePlace: MakePlace): void {
  test('a join token is spent by its first use, in one transaction with the agent', () =>
    withStore(makePlace, async (store) => {
      await store.agents.createJoinToken({ tokenHash: sha256('t'), agentId, expiresAtMs: nowMs + 1_000 }, by)
      expect(await store.agents.redeemJoinToken(sha256('t'), nowMs)).toEqual({ agentId })
      expect(await store.agents.byId(agentId)).toMatchObject({ attestationType: 'join_token', banned: false, attestedAtMs: nowMs, serial: '' })
      await expect(store.agents.redeemJoinToken(sha256('t'), nowMs)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    }))

  test('of many that race for one token exactly one gets it', () =>
    withStore(makePlace, async (store) => {
      await store.agents.createJoinToken({ tokenHash: sha256('t'), agentId, expiresAtMs: nowMs + 1_000 }, by)
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => store.agents.redeemJoinToken(sha256('t'), nowMs)))
      expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1)
    }))

  test('an unknown token and one at its expiry are refused', () =>
    withStore(makePlace, async (store) => {
      await store.agents.createJoinToken({ tokenHash: sha256('t'), agentId, expiresAtMs: nowMs + 1_000 }, by)
      await expect(store.agents.redeemJoinToken(sha256('other'), nowMs)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
      await expect(store.agents.redeemJoinToken(sha256('t'), nowMs + 1_000)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
      expect(await store.agents.count({})).toBe(0)
    }))

  test('a token is made once, even after it was spent', () =>
    withStore(makePlace, async (store) => {
      await attest(store, agentId, 't')
      await expect(store.agents.createJoinToken({ tokenHash: sha256('t'), agentId, expiresAtMs: nowMs + 1_000 }, by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      await expect(store.agents.createJoinToken({ tokenHash: 't', agentId, expiresAtMs: nowMs + 1_000 }, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('a token with an alias makes the entry of that alias, and evicting the agent takes it away', () =>
    withStore(makePlace, async (store) => {
      await store.agents.createJoinToken({ tokenHash: sha256('t'), agentId, aliasId: id('/node/blue'), expiresAtMs: nowMs + 1_000 }, by)
      const { items } = await store.entries.list({ spiffeId: id('/node/blue') }, { size: 10 })
      expect(items).toMatchObject([{ parentId: agentId, selectors: [{ type: 'spiffe_id', value: agentId }] }])
      await store.agents.redeemJoinToken(sha256('t'), nowMs)
      await store.agents.delete(agentId, by)
      expect(await store.entries.count({})).toBe(0)
    }))

  test('the newest SVID and the version of an agent are shown', () =>
    withStore(makePlace, async (store) => {
      await attest(store, agentId)
      await store.agents.recordSvid(agentId, { serial: 'ab'.repeat(17), notAfterMs: nowMs + 5 }, by)
      await store.agents.recordVersion(agentId, '1.2.3', by)
      expect(await store.agents.byId(agentId)).toMatchObject({ serial: 'ab'.repeat(17), notAfterMs: nowMs + 5, version: '1.2.3' })
      await expect(store.agents.recordSvid(id('/spire/agent/no'), { serial: '', notAfterMs: 0 }, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.agents.recordVersion(id('/spire/agent/no'), '1', by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }))

  test('banning ends the agent and all that it obtained, and it cannot come back', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1), spec(2)], by)
      await issue(store, request(1), request(2), agentRequest(agentId))
      const { hits, streamSeq } = await store.agents.ban(agentId, by)
      expect(hits).toMatchObject({ credentials: 3, workloads: 2 })
      expect(streamSeq).toBe((await store.stream.head()).seq)
      expect(await store.credentials.count({ liveAtMs: nowMs })).toBe(0)
      expect(await store.credentials.reserve([request(1, { key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'AGENT_BANNED' }])
      await store.agents.createJoinToken({ tokenHash: sha256('again'), agentId, expiresAtMs: nowMs + 1_000 }, by)
      await expect(store.agents.redeemJoinToken(sha256('again'), nowMs)).rejects.toMatchObject({ code: 'AGENT_BANNED' })
      expect(await store.agents.list({ banned: true }, { size: 10 })).toMatchObject({ items: [{ id: agentId, banned: true }] })
      expect((await store.agents.ban(agentId, by)).hits.credentials).toBe(0)
    }))

  test('an evicted agent is gone with all that it obtained, and may attest anew', () =>
    withStore(makePlace, async (store) => {
      await prepareToIssue(store)
      await store.entries.create([spec(1)], by)
      const [serial = ''] = await issue(store, request(1))
      await store.agents.delete(agentId, by)
      expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked', cause: 'agent_evicted' })
      expect(await store.agents.byId(agentId)).toBeUndefined()
      expect(await store.credentials.reserve([request(1, { key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'NOT_FOUND' }])
      await attest(store, agentId, 'again')
      expect(await store.credentials.reserve([request(1, { key: 'new' })], nowMs)).toMatchObject([{ ok: true }])
      await expect(store.agents.delete(id('/spire/agent/no'), by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.agents.ban(id('/spire/agent/no'), by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }))

  test('an agent that proves itself is recorded with its selectors, anew as often as it may', () =>
    withStore(makePlace, async (store) => {
      const node = id('/spire/agent/x509pop/a')
      const selector = (value: string): Selector => ({ type: 'x509pop', value })
      await store.agents.attest({ id: node, attestationType: 'x509pop', selectors: [selector('subject:cn:a'), selector('subject:cn:a'), selector('serialnumber:01')], once: false }, nowMs)
      expect(await store.agents.byId(node)).toMatchObject({ attestationType: 'x509pop', selectors: [selector('subject:cn:a'), selector('serialnumber:01')], canReattest: true, attestedAtMs: nowMs })
      await store.agents.recordVersion(node, '1.16.0', by)
      await store.agents.attest({ id: node, attestationType: 'x509pop', selectors: [selector('serialnumber:02')], once: false }, nowMs + 1)
      expect(await store.agents.byId(node)).toMatchObject({ selectors: [selector('serialnumber:02')], attestedAtMs: nowMs + 1, version: '1.16.0' })
      expect(await store.agents.count({ selectors: { match: 'any', selectors: [selector('serialnumber:01')] } })).toBe(0)
      expect(await store.agents.count({ canReattest: true })).toBe(1)
    }))

  test('who came first has the ID: not another attestor, and of one that counts once not again, until it is evicted', () =>
    withStore(makePlace, async (store) => {
      const node = id('/spire/agent/http_challenge/a')
      const attested = { id: node, attestationType: 'http_challenge', selectors: [], once: true }
      await store.agents.attest(attested, nowMs)
      await expect(store.agents.attest(attested, nowMs)).rejects.toMatchObject({ code: 'ATTESTED_BEFORE' })
      await expect(store.agents.attest({ ...attested, attestationType: 'x509pop', once: false }, nowMs)).rejects.toMatchObject({ code: 'ATTESTED_BEFORE' })
      await store.agents.delete(node, by)
      await store.agents.attest(attested, nowMs)
      await store.agents.ban(node, by)
      await expect(store.agents.attest(attested, nowMs)).rejects.toMatchObject({ code: 'AGENT_BANNED' })
      expect(await store.agents.byId(node)).toMatchObject({ banned: true })
    }))

  test('agents are listed by page and filter', () =>
    withStore(makePlace, async (store) => {
      for (const name of ['a', 'b', 'c']) await attest(store, id(`/spire/agent/join_token/${name}`))
      const first = await store.agents.list({ attestationType: 'join_token' }, { size: 2 })
      expect(first.items).toHaveLength(2)
      const second = await store.agents.list({}, { size: 2, after: first.next ?? '' })
      expect(second.items.map((agent) => agent.id)).toEqual([id('/spire/agent/join_token/c')])
      expect(second.next).toBeUndefined()
      expect(await store.agents.count({ banned: true })).toBe(0)
      expect(await store.agents.count({ expiresBeforeMs: 1 })).toBe(3)
      expect(await store.agents.count({ canReattest: false })).toBe(3)
      expect(await store.agents.count({ selectors: { match: 'any', selectors: [{ type: 'a', value: 'b' }] } })).toBe(0)
    }))
}
