import { expect, test } from 'vitest'
import type { Grant, GrantCause } from '../../../../src/core/grant/grant.ts'
import { parseIntent } from '../../../../src/core/grant/intent.ts'
import { activation, activeGrant, approval, credential, decided, decision, grantId, prepareForGrants, renewal, requested, role, wish, withHashes } from '../../../support/store/grants.ts'
import { actorAt, agentId, attest, authority, by, id, nowMs, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

const ending = { cause: 'completed', detail: '' } as const

export function grantContract(makePlace: MakePlace): void {
  test('a request is written down with what was decided of it, and denied ones stay denied', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      const one = await store.grants.request(requested(given, undefined, wish(1)), by)
      expect(one).toMatchObject({ state: 'requested', version: 1, spiffeId: id(`/deploy-bot/task/${grantId(1)}`), owner: 'team-a' })
      expect((await store.grants.move(one.id, 1, decided('approved').move, by, '{}')).grant).toMatchObject({ state: 'approved', version: 2 })
      const two = await store.grants.request(requested(given, undefined, wish(2)), by, decided('denied'))
      expect(two).toMatchObject({ state: 'denied', detail: 'forbid-window', endedAtMs: nowMs })
      await expect(store.grants.activate(two.id, activation(two, 'k'), by)).rejects.toMatchObject({ code: 'GRANT_DENIED' })
      expect(await store.grants.decisions(two.id)).toMatchObject([{ decision: { at: 'request', allowed: false }, asked: '{"action":"request"}' }])
      expect(await store.grants.count({ states: ['denied'] })).toBe(1)
      await expect(store.grants.request(requested(given, undefined, wish(1)), by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    }))

  test.for<[string, (grant: Grant) => Grant, string]>([
    ['another place in the tree', (grant) => withHashes({ ...grant, spiffeId: id(`/other/task/${grant.id}`) }), 'INVALID_ARGUMENT'],
    ['a hash of another intent', (grant) => ({ ...grant, intentHash: sha256('other') }), 'INVALID_ARGUMENT'],
    ['a hash of another request', (grant) => ({ ...grant, ttlSeconds: 60 }), 'INVALID_ARGUMENT'],
    ['another owner', (grant) => withHashes({ ...grant, owner: 'team-b' }), 'INVALID_ARGUMENT'],
    ['an intent outside the role', (grant) => withHashes({ ...grant, intent: parseIntent({ ...grant.intent, resources: ['s3:backups'] }) }), 'INTENT_OUTSIDE_ROLE'],
    ['more budget than the role', (grant) => withHashes({ ...grant, budget: { ...grant.budget, renewals: 101 } }), 'BUDGET_SPENT'],
    ['an approval that it brings', (grant) => ({ ...grant, approvals: [approval(grant, 'alice')] }), 'INVALID_ARGUMENT'],
    ['an old version of its role', (grant) => withHashes({ ...grant, roleVersion: 7 }), 'ROLE_UNKNOWN'],
    ['an unknown role', (grant) => withHashes({ ...grant, role: 'reader' }), 'ROLE_UNKNOWN'],
    ['an unknown agent', (grant) => withHashes({ ...grant, agentId: id('/spire/agent/join_token/nobody') }), 'NOT_FOUND'],
  ])('a request with %s is refused', ([, change, code]) =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      await expect(store.grants.request(change(requested(given, undefined, wish(1))), by)).rejects.toMatchObject({ code })
      expect(await store.grants.count({})).toBe(0)
    }))

  test('a grant is issued, renewed and ended; each credential supersedes the one before, and the end revokes', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const first = await activeGrant(store, 1)
      expect(first).toMatchObject({ state: 'active', activatedAtMs: nowMs, deadlineMs: nowMs + 3_600_000, notAfterMs: nowMs + 60_000, tier: 'pidfd', version: 3 })
      const { grant: second, serial } = await store.grants.renew(first.id, renewal(first, 'key two', nowMs + 30_000), actorAt(nowMs + 30_000))
      await store.credentials.release([serial], nowMs + 30_000)
      expect(second).toMatchObject({ serial: Buffer.from(serial).toString('hex'), used: { renewals: 1 }, version: 4 })
      expect(await store.credentials.bySerial(first.serial)).toMatchObject({ state: 'superseded', cause: 'rotated', kind: 'grant' })
      expect(await store.credentials.count({ grantId: first.id, liveAtMs: nowMs + 30_000 })).toBe(1)

      const end = await store.grants.end(first.id, { ...ending, outcome: 'orders are migrated ' }, actorAt(nowMs + 40_000))
      expect(end).toMatchObject({ ended: [first.id], hits: { credentials: 2 }, grant: { state: 'ending', cause: 'completed', outcomeAsExpected: true, serial: '', endedAtMs: nowMs + 40_000 } })
      expect(await store.credentials.bySerial(second.serial)).toMatchObject({ state: 'revoked', cause: 'grant_ended', reason: 'completed' })
      expect(await store.grants.finish([first.id, 'unknown'], by)).toBe(1)
      expect(await store.grants.finish([first.id], by)).toBe(0)
      const again = await store.grants.end(first.id, { cause: 'operator', detail: '' }, actorAt(nowMs + 50_000))
      expect(again).toMatchObject({ ended: [], hits: { credentials: 0 }, grant: { state: 'ended', cause: 'completed', endedAtMs: nowMs + 40_000 } })
      await expect(store.grants.renew(first.id, renewal(again.grant, 'key three'), actorAt(nowMs + 50_000))).rejects.toMatchObject({ code: 'GRANT_ENDED' })
      expect((await store.grants.decisions(first.id)).map((made) => made.decision.at)).toEqual(['request', 'activate', 'renew'])
      await store.journal.verify()
    }))

  test('a grant that moved since it was decided on is to be decided anew', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const grant = await activeGrant(store, 1)
      await store.grants.lease(grant.id, 5, by)
      await expect(store.grants.renew(grant.id, renewal(grant, 'k'), by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', details: { version: grant.version + 1 } })
      await expect(store.grants.move(grant.id, grant.version, { kind: 'suspended', detail: '' }, by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    }))

  test('a credential that would outlive what it stands on, or is of another, is refused and takes no serial', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      const grant = await store.grants.request(requested(given, undefined, wish(1)), by, decided('approved'))
      const other = await activeGrant(store, 2)
      const issueWith = (change: object): Promise<unknown> => store.grants.activate(grant.id, { ...activation(grant, 'k'), credential: { ...credential(grant, 'k'), ...change } }, by)
      await expect(issueWith({ notAfterMs: nowMs + 301_000 })).rejects.toMatchObject({ code: 'TTL_TOO_LONG' })
      await expect(issueWith({ spiffeId: other.spiffeId })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(issueWith({ publicKeyHash: sha256('key of grant 2') })).rejects.toMatchObject({ code: 'KEY_DENIED' })
      await expect(issueWith({ authorityId: sha256('unknown') })).rejects.toMatchObject({ code: 'TTL_TOO_LONG' })
      expect(await store.credentials.count({})).toBe(1)
      await expect(store.credentials.reserve([credential(grant, 'k')], nowMs)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('what a grant needs is asked for again at each issue: role, tier, agent, disabled targets', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store, role({ minTier: 'pidfd' }))
      const waiting = await store.grants.request(requested(given, undefined, wish(1)), by, decided('approved'))
      await expect(store.grants.activate(waiting.id, { ...activation(waiting, 'k'), tier: 'pid' }, by)).rejects.toMatchObject({ code: 'BINDING_TOO_WEAK' })
      const active = await activeGrant(store, 2)
      for (const target of [{ kind: 'id', id: id('/deploy-bot') }, { kind: 'agent', id: agentId }, { kind: 'owner', owner: 'team-a' }] as const) {
        await store.targets.disable(target, '', by)
        await expect(store.grants.renew(active.id, renewal(active, 'k2'), by)).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
        await expect(store.grants.activate(waiting.id, activation(waiting, 'k'), by)).rejects.toMatchObject({ code: 'TARGET_DISABLED' })
        await store.targets.enable(target, '', by)
      }
      const { version: _version, ...narrower } = role({ intents: [{ ...given.intents[0] ?? { actions: [], resources: [], dataClass: 'internal', workspace: active.intent.workspace }, actions: ['read'] }] })
      await store.roles.put(narrower, 1, by)
      await expect(store.grants.activate(waiting.id, activation(waiting, 'k'), by)).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
      await expect(store.grants.renew(active.id, renewal(active, 'k2'), by)).rejects.toMatchObject({ code: 'INTENT_OUTSIDE_ROLE' })
      await store.roles.delete('writer', by)
      await expect(store.grants.renew(active.id, renewal(active, 'k2'), by)).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
      expect(await store.roles.put(narrower, 0, by)).toMatchObject({ version: 3 })
    }))

  test('suspending revokes, resuming gives nothing back, and the next renewal makes a new credential', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const grant = await activeGrant(store, 1)
      const suspended = await store.grants.move(grant.id, grant.version, { kind: 'suspended', detail: 'looking' }, by)
      expect(suspended).toMatchObject({ grant: { state: 'suspended', serial: '' }, hits: { credentials: 1 } })
      expect(await store.credentials.bySerial(grant.serial)).toMatchObject({ state: 'revoked', cause: 'grant_suspended' })
      await expect(store.grants.renew(grant.id, renewal(suspended.grant, 'k2'), by)).rejects.toMatchObject({ code: 'GRANT_STATE' })
      const resumed = await store.grants.move(grant.id, undefined, { kind: 'resumed', detail: '' }, by)
      expect(resumed.grant).toMatchObject({ state: 'active', serial: '', deadlineMs: grant.deadlineMs })
      const { grant: renewed } = await store.grants.renew(grant.id, renewal(resumed.grant, 'k2'), by)
      expect(renewed).toMatchObject({ used: { renewals: 0 } })
    }))

  test('a tree ends with its root: one event, each below with the cause parent_ended, nothing issued under it again', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const root = await activeGrant(store, 1)
      const child = await activeGrant(store, 2, root, { budget: { steps: 10, children: 2, depth: 2 } })
      const grandchild = await activeGrant(store, 3, child, {})
      const { seq } = await store.stream.head()
      const end = await store.grants.end(root.id, { cause: 'process_exit', detail: '' }, by)
      expect(end).toMatchObject({ ended: [root.id, child.id, grandchild.id], hits: { credentials: 3 }, streamSeq: seq + 1 })
      expect(await store.grants.byId(grandchild.id)).toMatchObject({ state: 'ending', cause: 'parent_ended' })
      expect((await store.stream.load(0)).prefixes).toMatchObject([{ prefix: root.spiffeId }])
      await expect(store.grants.renew(child.id, renewal(child, 'k'), by)).rejects.toMatchObject({ code: 'GRANT_ENDED' })
      expect((await store.grants.list({ rootId: root.id }, { size: 10 })).items).toHaveLength(3)
      expect((await store.grants.list({ parentId: root.id }, { size: 10 })).items).toMatchObject([{ id: child.id }])
      await store.journal.verify()
    }))

  test("a child takes its budget from its parent's for good; what is denied at once takes none", () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      const root = await activeGrant(store, 1)
      const child = await activeGrant(store, 2, root, { budget: { steps: 600, renewals: 40, children: 5, depth: 1 } })
      const after = await store.grants.byId(root.id)
      expect(after?.used).toEqual({ renewals: 40, steps: 600, children: 6 })
      const second = requested(given, root, wish(3, { budget: { steps: 600 } }))
      await expect(store.grants.request(second, by, decided('approved'))).rejects.toMatchObject({ code: 'BUDGET_SPENT' })
      await store.grants.request(requested(given, root, wish(4, { budget: { steps: 300 } })), by, decided('denied'))
      await store.grants.end(child.id, ending, by)
      expect((await store.grants.byId(root.id))?.used).toEqual({ renewals: 40, steps: 600, children: 6 })
      expect(await store.grants.lease(root.id, 1_000, by)).toMatchObject({ steps: 400 })
      await expect(store.grants.lease(root.id, 1, by)).rejects.toMatchObject({ code: 'BUDGET_SPENT' })
    }))

  test.for<[string, GrantCause, boolean]>([
    ['a leak', 'leak', true],
    ['an operator', 'operator', true],
    ['completion', 'completed', false],
  ])('ended by %s, its keys are denied: %s %s', ([, cause, denied]) =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      await store.entries.create([spec(1)], by)
      const grant = await activeGrant(store, 1)
      await store.grants.end(grant.id, { cause, detail: 'why' }, by)
      const [result] = await store.credentials.reserve([request(1, { key: 'key of grant 1' })], nowMs)
      expect(result).toMatchObject({ ok: false, code: 'KEY_DENIED', message: denied ? 'this key was ended' : expect.stringContaining('another') })
    }))

  test('a leaked key ends the grant that holds it, with all below', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const root = await activeGrant(store, 1)
      const child = await activeGrant(store, 2, root)
      const result = await store.targets.endKey(sha256('key of grant 1'), { denyUnknown: false, reason: 'found in a log' }, by)
      expect(result).toMatchObject({ known: true, denied: true, hits: { credentials: 2 } })
      expect(await store.grants.byId(root.id)).toMatchObject({ cause: 'leak', detail: 'found in a log' })
      expect(await store.grants.byId(child.id)).toMatchObject({ cause: 'parent_ended' })
    }))

  test('revoking an agent, an owner, a workload or a grant by its ID ends the grants under it with the cause operator, in the same transaction', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const other = id('/spire/agent/join_token/two')
      await attest(store, other)
      const options = { rotate: false, dryRun: false, reason: 'incident 7' }
      const here = await activeGrant(store, 1)
      const there = await activeGrant(store, 2, undefined, { agentId: other })
      expect(await store.targets.revoke({ kind: 'id', id: here.spiffeId }, { ...options, dryRun: true }, by)).toMatchObject({ hits: { credentials: 1 } })
      expect(await store.grants.byId(here.id)).toMatchObject({ state: 'active' })
      const { seq } = await store.journal.head()
      expect(await store.targets.revoke({ kind: 'id', id: here.spiffeId }, options, by)).toMatchObject({ hits: { credentials: 1 } })
      expect((await store.journal.from(seq + 1, 10)).map(({ record }) => record.kind)).toEqual(['grant.moved', 'credentials.ended'])
      expect(await store.grants.byId(here.id)).toMatchObject({ state: 'ending', cause: 'operator', detail: 'incident 7' })
      expect(await store.targets.disabled()).toEqual([])
      await store.targets.revoke({ kind: 'agent', id: other }, options, by)
      expect(await store.grants.byId(there.id)).toMatchObject({ state: 'ending', cause: 'operator' })

      const third = await activeGrant(store, 3)
      await store.targets.revoke({ kind: 'owner', owner: 'team-a' }, { ...options, rotate: true }, by)
      expect(await store.grants.byId(third.id)).toMatchObject({ state: 'active' })
      await store.targets.revoke({ kind: 'id', id: id('/deploy-bot') }, options, by)
      expect(await store.grants.byId(third.id)).toMatchObject({ state: 'ending', cause: 'operator' })
      expect(await store.targets.disabled()).toMatchObject([{ target: { kind: 'agent' } }, { target: { kind: 'id', id: id('/deploy-bot') } }])
      await store.journal.verify()
    }))

  test('banning and evicting an agent end its grants', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const first = await activeGrant(store, 1)
      expect(await store.agents.delete(agentId, by)).toMatchObject({ hits: { credentials: 1 } })
      expect(await store.grants.byId(first.id)).toMatchObject({ state: 'ending', cause: 'operator', detail: 'its agent was evicted' })
      await attest(store, agentId, 'again')
      const second = await activeGrant(store, 2)
      await store.agents.ban(agentId, by)
      expect(await store.grants.byId(second.id)).toMatchObject({ state: 'ending', detail: 'its agent was banned' })
      expect(await store.credentials.bySerial(second.serial)).toMatchObject({ state: 'revoked', cause: 'agent_banned' })
    }))

  test('steps are recorded for the grants of the agent that reports them', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const grant = await activeGrant(store, 1)
      const step = { grantId: grant.id, action: 'write', resource: 'db:orders', description: 'a row', allowed: true, reasons: ['permit'], atMs: nowMs, policyHash: '' }
      expect(await store.grants.recordSteps([step, { ...step, grantId: grantId(9) }, { ...step, action: 'read' }], { ...by, agentId })).toBe(2)
      expect(await store.grants.recordSteps([step], { ...by, agentId: id('/spire/agent/join_token/two') })).toBe(0)
      const page = await store.grants.steps(grant.id, { size: 1 })
      expect(page.items).toEqual([step])
      expect((await store.grants.steps(grant.id, { size: 1, after: page.next ?? '' })).items).toMatchObject([{ action: 'read' }])
    }))

  test('what is waiting lapses when its time is over; what is due ends; what was over long ago is dropped, and the journal still replays', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      const waiting = await store.grants.request(requested(given, undefined, wish(1)), by, decided('pending', 1))
      const active = await activeGrant(store, 2, undefined, { budget: { seconds: 900 } })
      expect(await store.grants.lapseDue(10, actorAt(nowMs + 599_999))).toEqual([])
      expect(await store.grants.lapseDue(10, actorAt(nowMs + 600_000))).toEqual([waiting.id])
      const due = { dueAtMs: nowMs + 900_000 }
      expect(await store.grants.endWhere({ dueAtMs: nowMs + 899_999 }, { cause: 'timeout', detail: '' }, 10, by)).toMatchObject({ ended: [], more: false })
      expect(await store.grants.endWhere(due, { cause: 'timeout', detail: '' }, 10, actorAt(nowMs + 900_000))).toMatchObject({ ended: [active.id], more: false })
      await store.grants.finish([active.id], actorAt(nowMs + 901_000))
      await store.grants.recordDecision(active.id, decision('reevaluate'), '{"action":"renew"}', by)
      expect((await store.grants.decisionsSince(nowMs, { size: 2 })).items).toHaveLength(2)
      expect(await store.grants.prune(nowMs + 900_000, by)).toBe(1)
      expect(await store.grants.prune(nowMs + 900_001, by)).toBe(1)
      expect(await store.grants.count({})).toBe(0)
      expect((await store.grants.decisionsSince(0, { size: 10 })).items).toEqual([])
      await store.journal.verify()
    }))

  test('those of a filter end in bounded pieces', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      for (const n of [1, 2, 3, 4, 5]) await activeGrant(store, n)
      const first = await store.grants.endWhere({ role: 'writer' }, { cause: 'policy_change', detail: 'forbid' }, 2, by)
      expect(first).toMatchObject({ more: true, hits: { credentials: 2 } })
      const second = await store.grants.endWhere({ role: 'writer' }, { cause: 'policy_change', detail: 'forbid' }, 3, by)
      expect(second).toMatchObject({ more: false, hits: { credentials: 3 } })
      expect(new Set([...first.ended, ...second.ended]).size).toBe(5)
      expect((await store.grants.live({ size: 10 })).items).toHaveLength(5)
      await expect(store.grants.endWhere({}, { cause: 'operator', detail: '' }, 1_001, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }))

  test('lists come in pages, by what they are asked for', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const ids = []
      for (const n of [1, 2, 3]) ids.push((await activeGrant(store, n)).id)
      const page = await store.grants.list({ owner: 'team-a' }, { size: 2 })
      const rest = await store.grants.list({ owner: 'team-a' }, { size: 2, after: page.next ?? '' })
      expect([...page.items, ...rest.items].map((grant) => grant.id)).toEqual(ids.toSorted())
      expect(rest.next).toBeUndefined()
      expect(await store.grants.count({ owner: 'team-b' })).toBe(0)
      expect(await store.grants.count({ agentId, role: 'writer', states: ['active', 'ended'], workload: id('/deploy-bot'), sinceMs: nowMs })).toBe(3)
      expect(await store.grants.count({ task: { instance: 'pid 1 of boot 2 child', parentId: '' }, requester: `uid:1000 on ${agentId}` })).toBe(1)
      await expect(store.grants.list({}, { size: 1, after: 'nonsense' })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
      expect(await store.grants.byId(grantId(9))).toBeUndefined()
      await expect(store.grants.end(grantId(9), ending, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }))

  test('a store that is behind its own past issues nothing to a grant, and still ends it; a restore ends them all, since it cannot know which had ended', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      const root = await activeGrant(store, 1)
      const child = await activeGrant(store, 2, root)
      const other = await activeGrant(store, 3)
      const waiting = await store.grants.request(requested(given, undefined, wish(4)), by, decided('pending', 1))
      await store.recovery.noteRolledBack({ epoch: nowMs / 1_000, seq: 1_000, chainHash: sha256('head') }, by)
      await expect(store.grants.renew(other.id, renewal(other, 'again'), by)).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK' })
      expect(await store.grants.end(other.id, ending, by)).toMatchObject({ ended: [other.id] })
      await store.recovery.restore({ authority: authority('fresh'), leavesEndByMs: nowMs + 3_600_000, agentsReturn: true, reason: 'disk lost' }, actorAt(nowMs + 1_000))
      expect(await store.grants.byId(root.id)).toMatchObject({ state: 'ending', cause: 'operator', detail: 'the server was restored' })
      expect(await store.grants.byId(child.id)).toMatchObject({ state: 'ending' })
      expect(await store.grants.byId(other.id)).toMatchObject({ cause: 'completed' })
      expect(await store.grants.byId(waiting.id)).toMatchObject({ state: 'lapsed' })
      await store.journal.verify()
    }))
}
