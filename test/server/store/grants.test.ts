import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasEnded, type Budget, type Grant, type GrantCause } from '../../../src/core/grant/grant.ts'
import { isWithin } from '../../../src/core/grant/intent.ts'
import { approvedUntilMs } from '../../../src/core/grant/limits.ts'
import { decodeSerial } from '../../../src/core/serial.ts'
import { grantPrefixesOf } from '../../../src/core/task.ts'
import { systemClock } from '../../../src/system/clock.ts'
import type { Credential, LoadedSet } from '../../../server/store/port.ts'
import { activeGrant, prepareForGrants, renewal } from '../../support/store/grants.ts'
import { GrantWorld, otherAgent } from '../../support/store/grant-world.ts'
import { openAt, temporaryFolder, type TemporaryFolder } from '../../support/store/open.ts'
import { actorAt, agentId, authority, by, id, nowMs } from '../../support/store/samples.ts'

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

/** All that can be seen of the store from outside, and what was seen before. */
interface Sight {
  readonly world: GrantWorld
  readonly grants: ReadonlyMap<string, Grant>
  readonly before: ReadonlyMap<string, Grant>
  readonly credentials: readonly Credential[]
  readonly set: LoadedSet
  /** Registered at this moment. */
  readonly people: ReadonlySet<string>
}

type Step = fc.AsyncCommand<object, GrantWorld>

const k = fc.nat({ max: 6 })
const budget: fc.Arbitrary<Partial<Budget>> = fc.record({ seconds: fc.constantFrom(0, 120, 900), renewals: fc.nat({ max: 3 }), steps: fc.nat({ max: 7 }), children: fc.nat({ max: 2 }), depth: fc.nat({ max: 2 }) })
const cause = fc.constantFrom<GrantCause>('completed', 'failed', 'process_exit', 'leak', 'operator', 'timeout')
const person = fc.constantFrom('alice', 'bob', 'carol', 'team-b')
const owner = fc.constantFrom('team-a', 'team-b')

/** One thing that a caller may do; what is refused is as good as what is done. */
const steps: fc.Arbitrary<Step>[] = [
  ...weighted(6, fc.tuple(fc.constantFrom('writer', 'careful'), fc.option(k, { nil: undefined }), budget, fc.boolean(), fc.constantFrom('approved' as const, 'approved' as const, 'pending' as const, 'denied' as const)), 'request', (world, [role, parent, wanted, agent, outcome]) => world.request(role, parent, wanted, agent, outcome)),
  ...weighted(3, fc.tuple(k, person, fc.constantFrom(-1, 90_000, 600_000)), 'approve', (world, [at, who, life]) => world.approve(at, who, life)),
  ...weighted(10, fc.tuple(k, fc.constantFrom(0, 0, 0, 1_000, 600_000, -30_000), fc.nat({ max: 9 })), 'issue', (world, [at, tooLong, reuse]) => world.issue(at, tooLong, reuse === 0)),
  ...weighted(2, fc.tuple(k, cause), 'end', (world, [at, why]) => world.end(at, why)),
  ...weighted(2, fc.tuple(k, cause, fc.boolean()), 'end and renew at once', async (world, [at, why, endFirst]) => {
    const grant = await world.pick(at)
    if (grant === undefined) return
    await Promise.all(endFirst ? [world.end(at, why), world.issueTo(grant, 0, false)] : [world.issueTo(grant, 0, false), world.end(at, why)])
  }),
  ...weighted(2, fc.tuple(k, k), 'renew twice at once', async (world, [at]) => {
    const grant = await world.pick(at)
    if (grant !== undefined) await Promise.all([world.issueTo(grant, 0, false), world.issueTo(grant, 0, false)])
  }),
  ...weighted(2, k, 'suspend or resume', async (world, at) => {
    const grant = await world.pick(at)
    if (grant !== undefined) await world.tolerate(() => world.store.grants.move(grant.id, undefined, grant.state === 'suspended' ? { kind: 'resumed', detail: '' } : { kind: 'suspended', detail: '' }, world.by))
  }),
  ...weighted(2, fc.tuple(k, fc.nat({ max: 15 })), 'lease', async (world, [at, count]) => {
    const grant = await world.pick(at)
    if (grant !== undefined) await world.tolerate(() => world.store.grants.lease(grant.id, count, world.by))
  }),
  ...weighted(1, fc.tuple(k, person), 'withdraw', async (world, [at, who]) => {
    const grant = await world.pick(at)
    if (grant !== undefined) await world.tolerate(() => world.store.grants.move(grant.id, undefined, { kind: 'withdrawn', approver: who }, world.by))
  }),
  ...weighted(1, fc.constantFrom('alice', 'bob'), 'remove a person', (world, who) => world.tolerate(() => world.store.people.remove(who, world.by))),
  ...weighted(2, fc.constantFrom('alice', 'bob'), 'register a person', (world, name) =>
    world.tolerate(() => world.store.people.put({ name, sshKeys: [`ssh-ed25519 AAAA${Buffer.from(name).toString('base64')}`], owners: [], roles: ['approve'] }, world.by))),
  ...weighted(1, fc.constantFrom({ kind: 'agent', id: otherAgent } as const, { kind: 'owner', owner: 'team-b' } as const, { kind: 'id', id: id('/deploy-bot') } as const), 'revoke', (world, target) => world.revoke(target)),
  ...weighted(1, k, 'revoke its ID', async (world, at) => {
    const grant = await world.pick(at)
    if (grant !== undefined) await world.revoke({ kind: 'id', id: grant.spiffeId })
  }),
  ...weighted(1, owner, 'remove an owner', async (world, name) => {
    await world.tolerate(() => world.store.owners.remove(name, { endAll: true, dryRun: false }, world.by))
    world.owners.delete(name)
  }),
  ...weighted(2, owner, 'register an owner', async (world, name) => {
    await world.store.owners.put({ name, contact: '' }, world.by)
    await world.tolerate(() => world.store.targets.enable({ kind: 'owner', owner: name }, '', world.by))
    world.owners.add(name)
  }),
  ...weighted(1, owner, 'transfer', async (world, from) => {
    await world.tolerate(() => world.store.owners.transfer(from, from === 'team-a' ? 'team-b' : 'team-a', world.by))
  }),
  ...weighted(1, fc.constantFrom(100, 300), 'change a role', (world, ttl) => world.changeRole('writer', (given) => ({ ...given, credentialTtlSeconds: ttl }))),
  ...weighted(1, k, 'end what is due, lapse what waits, finish what ends', async (world) => {
    await world.store.grants.endWhere({ dueAtMs: world.nowMs }, { cause: 'timeout', detail: '' }, 10, world.by)
    await world.store.grants.lapseDue(10, world.by)
    await world.store.grants.finish(world.ids, world.by)
  }),
  ...weighted(2, k, 'release', async (world) => {
    await world.store.credentials.release(world.issued.map(({ serial }) => Buffer.from(serial, 'hex')), world.nowMs)
  }),
  ...weighted(3, fc.constantFrom(1_000, 45_500, 200_000, -100_000), 'let time pass', (world, ms) => {
    world.nowMs += ms
    return Promise.resolve()
  }),
  ...weighted(1, k, 'crash', (world) => world.crash()),
]

const invariants: readonly (readonly [title: string, holds: (sight: Sight) => void])[] = [
  ['invariant 1: terminal states absorb, ending is idempotent, the first cause stays', ({ grants, before }) => {
    for (const was of before.values()) {
      const is = grants.get(was.id)
      if (hasEnded(was.state)) expect(is).toEqual(was.state === 'ending' && is?.state === 'ended' ? { ...was, state: 'ended', version: was.version + 1 } : was)
    }
  }],
  ['invariant 2: every serial that was given out has its row in the ledger, of its grant, also after a crash', ({ world, credentials }) => {
    const rows = new Map(credentials.map((row) => [row.serial, row]))
    for (const { serial, before } of world.issued) expect(rows.get(serial)).toMatchObject({ spiffeId: before.spiffeId, agentId: before.agentId, kind: 'grant' })
  }],
  ["invariant 3: notAfter ≤ the least of deadline, parent's deadline, approvals' expiry, authority's notAfter, now + TTL", ({ world, grants, credentials }) => {
    const issuedAt = new Map(world.issued.map(({ serial, before, after, atMs }) => [serial, { before, after, atMs }]))
    for (const { serial, notAfterMs } of credentials) {
      const issue = issuedAt.get(serial)
      if (issue === undefined) continue
      const { before, after, atMs } = issue
      const parent = grants.get(after.parentId)
      expect(notAfterMs).toBeLessThanOrEqual(Math.min(after.deadlineMs, parent?.deadlineMs ?? Infinity, approvedUntilMs(before, atMs), authority('authority').notAfterMs, atMs + after.ttlSeconds * 1_000))
      expect(after.deadlineMs).toBeLessThanOrEqual(after.activatedAtMs + after.budget.seconds * 1_000)
    }
  }],
  ['invariant 4: used ≤ budget in every dimension, and only more of it', ({ grants, before }) => {
    for (const { id: grantId, used, budget: most } of grants.values()) {
      const was = before.get(grantId)?.used ?? { renewals: 0, steps: 0, children: 0 }
      for (const dimension of ['renewals', 'steps', 'children'] as const) {
        expect(used[dimension]).toBeLessThanOrEqual(most[dimension])
        expect(used[dimension]).toBeGreaterThanOrEqual(was[dimension])
      }
    }
  }],
  ['invariant 5: at most one credential of a grant is live', ({ world, credentials }) => {
    const live = credentials.filter(({ state, notAfterMs }) => (state === 'reserved' || state === 'released') && notAfterMs > world.nowMs).map(({ spiffeId }) => spiffeId)
    expect(new Set(live).size).toBe(live.length)
  }],
  ["invariant 6: a child's rights are within its parent's, children's budgets sum within it, the depth is bounded", ({ grants }) => {
    for (const parent of grants.values()) {
      const children = [...grants.values()].filter((grant) => grant.parentId === parent.id && grant.state !== 'denied')
      for (const child of children) {
        expect(isWithin(child.intent, parent.intent)).toBe(true)
        expect(child.budget.depth).toBeLessThan(parent.budget.depth)
        expect(child.depth).toBe(parent.depth + 1)
        expect(child.depth).toBeLessThanOrEqual(6)
      }
      for (const dimension of ['renewals', 'steps'] as const) expect(children.reduce((sum, child) => sum + child.budget[dimension], 0)).toBeLessThanOrEqual(parent.budget[dimension])
      expect(children.reduce((sum, child) => sum + child.budget.children + 1, 0)).toBeLessThanOrEqual(parent.budget.children)
    }
  }],
  ['invariant 7: a parent that is not active lets nothing be issued below it; once it has ended, so have all below', ({ world, grants, before }) => {
    for (const grant of grants.values()) {
      if (hasEnded(grant.state)) continue
      const parent = grants.get(grant.parentId)
      if (parent !== undefined) expect(hasEnded(parent.state)).toBe(false)
    }
    const last = world.issued.at(-1)
    // the grant above was active before the call that issued, unless the call after it ended both
    if (last !== undefined && before.get(last.grantId)?.version !== grants.get(last.grantId)?.version && last.before.parentId !== '') {
      for (let above = before.get(last.before.parentId); above !== undefined; above = before.get(above.parentId)) if (last.after.version === grants.get(last.grantId)?.version) expect(above.state).toBe('active')
    }
  }],
  ['invariant 8: whatever races, what has ended holds no live credential, and every one that it had is in the revocation set', ({ world, grants, credentials, set }) => {
    const bySpiffeId = new Map([...grants.values()].map((grant) => [grant.spiffeId, grant]))
    for (const credential of credentials) {
      const grant = bySpiffeId.get(credential.spiffeId)
      if (grant === undefined || !hasEnded(grant.state) || credential.notAfterMs <= Math.max(grant.endedAtMs, world.nowMs)) continue
      expect(credential.state).toBe('revoked')
      expect(isRevokedIn(set, credential)).toBe(true)
    }
  }],
  ['invariant 9: approvers are neither requester nor owner nor each other, and none is counted for another request', ({ world, grants }) => {
    const signatures = [...grants.values()].flatMap(({ approvals }) => approvals.map(({ signature }) => signature))
    expect(new Set(signatures).size).toBe(signatures.length)
    for (const { before } of world.issued) {
      expect(before.approvals.map(({ approver }) => approver).filter((name) => name === before.owner || name === before.requester)).toEqual([])
      if (before.role === 'careful') expect(before.approvals.filter(({ withdrawn }) => !withdrawn).length).toBeGreaterThan(0)
    }
  }],
  ['invariant 9: what has not begun stands on the word of nobody who is registered no more', ({ grants, people }) => {
    for (const { state, approvals, approvalsNeeded } of grants.values()) {
      if (state !== 'pending_approval' && state !== 'approved') continue
      const standing = approvals.filter(({ withdrawn }) => !withdrawn)
      expect(standing.filter(({ approver }) => !people.has(approver))).toEqual([])
      if (state === 'approved') expect(standing.length).toBeGreaterThanOrEqual(approvalsNeeded)
    }
  }],
  ['invariant 11: intent, budget and deadline of a grant stay as they are; nothing widens them', ({ grants, before }) => {
    for (const was of before.values()) {
      const is = grants.get(was.id)
      expect(is).toMatchObject({ intent: was.intent, budget: was.budget, ttlSeconds: was.ttlSeconds, role: was.role, spiffeId: was.spiffeId, requestHash: was.requestHash })
      if (was.deadlineMs > 0) expect(is?.deadlineMs).toBe(was.deadlineMs)
    }
  }],
  ['invariant 12: nothing is issued for an owner who does not answer', ({ world, grants }) => {
    for (const { grantId } of world.takeIssued()) expect(world.owners).toContain(grants.get(grantId)?.owner)
  }],
  ['invariant 15: a clock that is set back extends nothing: no deadline moves, no credential passes the first', ({ world, grants, credentials }) => {
    for (const { id: grantId, deadlineMs } of grants.values()) if (deadlineMs > 0 && !world.deadlines.has(grantId)) world.deadlines.set(grantId, deadlineMs)
    const deadlines = new Map([...grants.values()].map((grant) => [grant.spiffeId, world.deadlines.get(grant.id)]))
    for (const { spiffeId, notAfterMs } of credentials) expect(notAfterMs).toBeLessThanOrEqual(deadlines.get(spiffeId) ?? Infinity)
  }],
  ['invariant 16: what was acknowledged as ended is in the revocation set, and the journal replays to the tables', ({ world, credentials, set, grants }) => {
    const endedAt = new Map(world.ends.map(({ grantId }) => [grants.get(grantId)?.spiffeId, grants.get(grantId)?.endedAtMs ?? 0]))
    for (const credential of credentials) {
      const atMs = endedAt.get(credential.spiffeId)
      if (atMs !== undefined && credential.notAfterMs > atMs) expect(isRevokedIn(set, credential)).toBe(true)
    }
    for (const { grantId, streamSeq } of world.ends) {
      expect(hasEnded(grants.get(grantId)?.state ?? 'requested')).toBe(true)
      expect(set.seq).toBeGreaterThanOrEqual(streamSeq)
    }
  }],
]

/** A slow machine looks at as many histories as this is enough for. */
const enoughMs = 60_000

/** Over any calls in any order, all of them are looked at after each. Resolves with the one that did not hold, in the shortest history that was found. */
async function firstBroken(): Promise<{ readonly title: string; readonly error: unknown } | undefined> {
  let title: string | undefined
  const startedMs = systemClock.bootMs()
  const histories = fc.asyncProperty(fc.array(fc.oneof(...steps), { minLength: 30, maxLength: 70, size: 'max' }), async (commands) => {
    if (systemClock.bootMs() - startedMs > enoughMs) return
    await using world = await GrantWorld.begin(folder)
    let before: ReadonlyMap<string, Grant> = new Map()
    const looking = commands.map((command): Step => ({
      check: () => true,
      toString: () => String(command),
      run: async (model, real) => {
        await command.run(model, real)
        const sight = await look(real, before)
        for (const [name, holds] of invariants) {
          try {
            holds(sight)
          } catch (error) {
            title = name
            throw error
          }
        }
        before = sight.grants
      },
    }))
    await fc.asyncModelRun(() => ({ model: {}, real: world }), looking)
    await world.store.journal.verify()
  })
  try {
    await fc.assert(histories, { numRuns: 16 })
    return undefined
  } catch (error) {
    if (title === undefined) throw error
    return { title, error }
  }
}

describe('over any calls, crashes between any two of them, and a clock that is set back now and then', () => {
  let broken: Awaited<ReturnType<typeof firstBroken>>
  beforeAll(async () => {
    broken = await firstBroken()
  })

  test.each(invariants.map(([title]) => [title]))('%s', (title) => {
    if (broken?.title === title) throw broken.error
  })
})

describe('what happens in one commit', () => {
  test('invariant 8: an end ordered before a renewal releases nothing', async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    for (let n = 0; n < 10; n++) {
      const grant = await activeGrant(store, n)
      const [end, renewed] = await Promise.allSettled([store.grants.end(grant.id, { cause: 'process_exit', detail: '' }, by), store.grants.renew(grant.id, renewal(grant, `again ${n}`), by)])
      expect(end.status).toBe('fulfilled')
      expect(renewed).toMatchObject({ status: 'rejected', reason: { code: 'GRANT_ENDED' } })
      expect(await store.credentials.count({ grantId: grant.id })).toBe(1)
    }
  })

  test('invariant 8: an end ordered after a renewal takes what it released', async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    const grant = await activeGrant(store, 1)
    const [renewed, end] = await Promise.all([store.grants.renew(grant.id, renewal(grant, 'again'), by), store.grants.end(grant.id, { cause: 'process_exit', detail: '' }, by)])
    expect(end.hits.credentials).toBe(2)
    expect(await store.credentials.bySerial(Buffer.from(renewed.serial).toString('hex'))).toMatchObject({ state: 'revoked' })
  })

  test('invariant 5: of two renewals at once one is refused, and one credential is live', async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    const grant = await activeGrant(store, 1)
    const results = await Promise.allSettled([1, 2].map((n) => store.grants.renew(grant.id, renewal(grant, `at once ${n}`), by)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await store.credentials.count({ grantId: grant.id, liveAtMs: nowMs })).toBe(1)
  })

  test("invariant 7: of a parent's end and a child's activation at once, the tree is ended as a whole", async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    const root = await activeGrant(store, 1)
    const child = await activeGrant(store, 2, root)
    const [, renewed] = await Promise.allSettled([store.grants.end(root.id, { cause: 'completed', detail: '' }, by), store.grants.renew(child.id, renewal(child, 'again'), by), activeGrant(store, 3, root)])
    expect(renewed).toMatchObject({ status: 'rejected' })
    expect(await store.credentials.count({ rootGrantId: root.id, liveAtMs: nowMs })).toBe(0)
    expect((await store.grants.list({ rootId: root.id }, { size: 10 })).items.filter(({ state }) => !hasEnded(state))).toEqual([])
  })

  test('invariant 15: after the clock is set back by an hour a grant ends when it would have, and a renewal gets no longer than that', async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    const grant = await activeGrant(store, 1, undefined, { budget: { seconds: 120 } })
    const back = nowMs - 3_600_000
    await expect(store.grants.renew(grant.id, renewal(grant, 'too long', back, 3_600_000 + 121_000), actorAt(back))).rejects.toMatchObject({ code: 'TTL_TOO_LONG' })
    const { grant: renewed } = await store.grants.renew(grant.id, renewal(grant, 'again', back, 200_000), actorAt(back))
    expect(renewed.deadlineMs).toBe(nowMs + 120_000)
    expect(await store.grants.endWhere({ dueAtMs: nowMs + 120_000 }, { cause: 'timeout', detail: '' }, 10, actorAt(back))).toMatchObject({ ended: [grant.id] })
  })

  test('invariant 12: once its owner is removed a grant is not renewed, whichever piece of the removal it waits for', async () => {
    await using store = await openAt(':memory:')
    await prepareForGrants(store)
    const grants = []
    for (let n = 0; n < 4; n++) grants.push(await activeGrant(store, n))
    const [, ...renewals] = await Promise.allSettled([
      store.owners.remove('team-a', { endAll: true, dryRun: false }, actorAt(nowMs)),
      ...grants.map((grant) => store.grants.renew(grant.id, renewal(grant, `again ${grant.id}`), by)),
    ])
    expect(renewals.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected'])
    expect(await store.credentials.count({ agentId, liveAtMs: nowMs })).toBe(0)
  })
})

async function look(world: GrantWorld, before: ReadonlyMap<string, Grant>): Promise<Sight> {
  const [{ items }, credentials, set, people] = await Promise.all([world.store.grants.list({}, { size: 1_000 }), world.store.credentials.list({}, { size: 10_000 }), world.store.stream.load(0), world.store.people.all()])
  return { world, grants: new Map(items.map((grant) => [grant.id, grant])), before, credentials: credentials.items, set, people: new Set(people.map(({ name }) => name)) }
}

function isRevokedIn(set: LoadedSet, { serial, spiffeId }: Credential): boolean {
  const place = decodeSerial(Buffer.from(serial, 'hex'))
  const bucket = set.buckets.find(({ shard, minute }) => shard === place?.shard && minute === place.minute)
  return bucket?.revoked.includes(place?.index ?? -1) === true || grantPrefixesOf(spiffeId).some((prefix) => set.prefixes.some((closed) => closed.prefix === prefix))
}

function weighted<T>(times: number, given: fc.Arbitrary<T>, name: string, run: (world: GrantWorld, value: T) => Promise<unknown>): fc.Arbitrary<Step>[] {
  const one = given.map((value): Step => ({ check: () => true, toString: () => `${name} ${JSON.stringify(value)}`, run: async (_model, world) => void (await run(world, value)) }))
  return Array.from({ length: times }, () => one)
}
