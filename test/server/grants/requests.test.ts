import { describe, expect, test } from 'vitest'
import type { PolicyRequest } from '../../../src/core/grant/policy-request.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { agentId, allows, denies, GrantWorld, otherAgentId, workspace } from '../../support/server/grant-world.ts'

const intentOf = (actions: readonly string[], resources: readonly string[]) => ({ actions, resources, workspace, reason: 'migration 42' })

describe('a request', () => {
  test('is of the one role of its SPIFFE ID, or of the one that is named', async () => {
    const world = await GrantWorld.start()
    expect(await world.request()).toMatchObject({ role: 'deploy', state: 'approved', owner: 'team-db', requester: `uid:1000 on ${agentId}`, depth: 0 })
    await world.putRole({ name: 'second' })
    await expect(world.request()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: 'name one: deploy, second' })
    expect(await world.request({ role: 'second' })).toMatchObject({ role: 'second' })
    await expect(world.request({ role: 'third' })).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
    await expect(world.request({ role: 'deploy', spiffeId: 'spiffe://example.test/other' })).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
    await expect(world.request({ spiffeId: 'spiffe://example.test/other' })).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
  })

  test('names its workload by the path too, which is one of this trust domain', async () => {
    const world = await GrantWorld.start()
    expect(await world.request({ spiffeId: '/deploy-bot' })).toMatchObject({ role: 'deploy' })
    await expect(world.request({ spiffeId: '/other' })).rejects.toMatchObject({ code: 'ROLE_UNKNOWN', message: expect.stringContaining('spiffe://example.test/other') })
    await expect(world.request({ spiffeId: '/a//b' })).rejects.toMatchObject({ code: 'SPIFFE_ID_INVALID' })
  })

  test('comes from a process that the role names, on an agent that it names', async () => {
    const world = await GrantWorld.start()
    await expect(world.request({ attested: { ...world.wish().attested, selectors: ['unix:uid:1001'] } })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(world.request({}, otherAgentId)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  })

  test('INTENT_OUTSIDE_ROLE: never reaches beyond its role', async () => {
    const world = await GrantWorld.start()
    for (const intent of [intentOf(['delete'], ['db:orders']), intentOf(['write'], ['db:payments']), { ...intentOf(['write'], ['db:orders']), workspace: { ...workspace, environment: 'production' } }]) {
      await expect(world.request({ intent })).rejects.toMatchObject({ code: 'INTENT_OUTSIDE_ROLE' })
    }
    await expect(world.request({ intent: { ...intentOf(['write'], ['db:orders']), reason: 'a\nb' } })).rejects.toMatchObject({ code: 'INTENT_INVALID' })
  })

  test('invariant 11: its budget and life are never more than the role’s', async () => {
    const world = await GrantWorld.start()
    const grant = await world.request({ ttlSeconds: 9_999, budget: { seconds: 9_999, renewals: 2, steps: 0, children: 99, depth: 9 } })
    expect(grant).toMatchObject({ ttlSeconds: 300, budget: { seconds: 600, renewals: 2, steps: 20, children: 3, depth: 2 } })
  })

  test('policy denies it by name, and the denial is recorded with what was asked', async () => {
    const world = await GrantWorld.start()
    world.decide = () => denies('reason-given')
    const grant = await world.request()
    expect(grant).toMatchObject({ state: 'denied', decision: { allowed: false, reasons: ['reason-given'] } })
    const [recorded] = await world.store.grants.decisions(grant.id)
    expect(JSON.parse(recorded?.asked ?? '')).toMatchObject({ action: 'request', principal: { id: grant.spiffeId, tier: 'pidfd', selectors: ['unix:uid:1000'] }, resources: [{ name: 'db:orders', dataClass: 'internal', environment: 'staging' }] })
    await expect(world.issue('activate', grant.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('what its activation would be denied for is said at once, and what people could lift waits for them', async () => {
    const world = await GrantWorld.start()
    world.decide = ({ action }) => (action === 'activate' ? denies('binding-fits-data') : allows)
    expect(await world.request()).toMatchObject({ state: 'denied', decision: { at: 'request', reasons: ['binding-fits-data'] } })
    world.decide = ({ action, context }) => (action === 'activate' && context.approvalsGiven < 1 ? denies('restricted-data-approved', 1) : allows)
    expect(await world.request({ instance: 'process 2' })).toMatchObject({ state: 'pending_approval', approvalsNeeded: 1, decision: { reasons: ['restricted-data-approved'] } })
    expect(world.log.facts).toContainEqual(expect.objectContaining({ event: 'grant.approval_wanted', approvalsNeeded: 1 }))
  })

  test('waits for as many people as its role wants, and they are told', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approvals: 2, approvers: ['alice', 'bob'] })
    const told: unknown[] = []
    world.grants.onApprovalWanted((notice) => told.push(notice))
    const grant = await world.request()
    expect(grant).toMatchObject({ state: 'pending_approval', approvalsNeeded: 2 })
    await world.settled()
    expect(told).toMatchObject([{ event: 'approval.wanted', id: grant.id, approvers: ['alice', 'bob'], how: `mayfly approve ${grant.id}` }])
    await expect(world.issue('activate', grant.id)).rejects.toMatchObject({ code: 'GRANT_STATE' })
  })

  test('a wider one of the same process after a denial is flagged, and policy sees the flag; a restart forgets nothing', async () => {
    const world = await GrantWorld.start()
    world.decide = () => denies('no')
    await world.request()
    world.decide = () => allows
    expect((await world.request()).flags).toEqual([])
    await world.restart()
    const asked: PolicyRequest[] = []
    world.decide = (question) => {
      asked.push(question)
      return allows
    }
    const wider = await world.request({ intent: intentOf(['read', 'write'], ['db:orders']) })
    expect(wider.flags).toEqual(['wider_after_denial'])
    expect(asked[0]?.context.flags).toEqual(['wider_after_denial'])
    expect(asked[0]?.principal).toMatchObject({ recentDenials: 1 })
    expect((await world.request({ instance: 'process 2', intent: intentOf(['read', 'write'], ['db:orders']) })).flags).toEqual([])
  })

  test('a wider one after an expiry is flagged', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { seconds: 5 } })
    await world.pass(6, [id])
    await world.became(id, 'ending', 'ended')
    const wider = await world.request({ budget: { seconds: 5 }, intent: intentOf(['write'], ['db:orders', 'db:users']) })
    expect(wider.flags).toEqual(['wider_after_expiry'])
    await world.clock.advance(3_600_000)
    expect((await world.request({ instance: 'process 2', intent: intentOf(['write'], ['db:orders', 'db:users']) })).flags).toEqual([])
  })

  test('a wider one after a request that nobody approved in time is flagged, and after one that its requester withdrew it is not', async () => {
    const world = await GrantWorld.start()
    const asked: PolicyRequest[] = []
    world.decide = (question) => {
      asked.push(question)
      return allows
    }
    await world.putRole({ approvals: 1 })
    const wider = { intent: intentOf(['read', 'write'], ['db:orders']) }
    const { id } = await world.request()
    expect(await world.grants.endByAgent(id, { cause: 'withdrawn', outcome: '', detail: '' }, agentId)).toMatchObject({ state: 'lapsed', detail: 'its requester asks no more' })
    const second = await world.request(wider)
    expect(second.flags).toEqual([])
    expect(asked.at(-1)?.principal).toMatchObject({ recentExpiries: 0 })
    await world.pass(121)
    await world.became(second.id, 'lapsed')
    expect((await world.request({ intent: intentOf(['read', 'write'], ['db:orders', 'db:users']) })).flags).toEqual(['wider_after_expiry'])
    expect(asked.at(-1)?.principal).toMatchObject({ recentExpiries: 1 })
  })
})

describe('a request from inside of a grant, beside its socket', () => {
  test('is denied by name, whatever policy says: it would leave the intent, the budget and the end of the grant that it came from', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    const inside = await world.request({ instance: 'its child', insideGrantId: id })
    expect(inside).toMatchObject({ state: 'denied', parentId: '', detail: 'inside-grant', flags: ['inside_grant'], decision: { allowed: false, reasons: ['inside-grant'], policyHash: world.policyHash } })
    expect(world.log.facts).toContainEqual(expect.objectContaining({ event: 'grant.denied', grantId: inside.id, reasons: ['inside-grant'], insideGrantId: id }))
    expect((await world.store.grants.decisionsSince(0, { size: 100 })).items.some(({ grantId }) => grantId === inside.id)).toBe(false)
    expect(await world.request({ instance: 'its child', parentGrantId: id })).toMatchObject({ state: 'approved', parentId: id, flags: [] })
  })

  test('is for policy to decide where the role says that it may be asked for so, flagged', async () => {
    const world = await GrantWorld.start()
    expect((await world.putRole({ fromInside: true })).fromInside).toBe(true)
    const { id } = await world.active()
    expect(await world.request({ instance: 'its child', insideGrantId: id })).toMatchObject({ state: 'approved', parentId: '', flags: ['inside_grant'] })
    world.decide = ({ context }) => (context.flags.includes('inside_grant') ? denies('nothing-beside') : allows)
    expect(await world.request({ instance: 'another', insideGrantId: id })).toMatchObject({ state: 'denied', decision: { reasons: ['nothing-beside'] } })
    expect(await world.putRole()).not.toHaveProperty('fromInside')
  })
})

describe('what one task asked for before', () => {
  test('is known of the process that asked, also when a child of it was bound, and of that child', async () => {
    const world = await GrantWorld.start()
    const first = await world.request({ budget: { seconds: 5 } })
    await world.issue('activate', first.id, { instance: 'its child' })
    await world.pass(6, [first.id])
    await world.became(first.id, 'ending', 'ended')
    const wider = { budget: { seconds: 5 }, intent: intentOf(['write'], ['db:orders', 'db:users']) }
    await world.restart()
    expect((await world.request(wider)).flags).toEqual(['wider_after_expiry'])
    expect((await world.request({ ...wider, instance: 'its child' })).flags).toEqual(['wider_after_expiry'])
    expect((await world.request({ ...wider, instance: 'another' })).flags).toEqual([])
    expect((await world.request(wider, otherAgentId).catch((error: unknown) => error))).toMatchObject({ code: 'PERMISSION_DENIED' })
    await world.store.journal.verify()
  })

  test('is known below one grant, whichever of its processes asks', async () => {
    const world = await GrantWorld.start()
    const [parent, other] = [await world.active({ intent: intentOf(['read', 'write'], ['db:orders']) }), await world.active({ instance: 'process 2', intent: intentOf(['read', 'write'], ['db:orders']) })]
    world.decide = () => denies('no')
    await world.request({ parentGrantId: parent.id, instance: 'process 3', intent: intentOf(['read'], ['db:orders']) })
    world.decide = () => allows
    const wider = { intent: intentOf(['read', 'write'], ['db:orders']) }
    expect((await world.request({ ...wider, parentGrantId: parent.id, instance: 'process 4' })).flags).toEqual(['wider_after_denial'])
    expect((await world.request({ ...wider, parentGrantId: other.id, instance: 'process 5' })).flags).toEqual([])
  })
})

describe('a child', () => {
  test('invariant 6: has no more rights and no more budget than its parent', async () => {
    const world = await GrantWorld.start()
    const parent = await world.active()
    const child = { parentGrantId: parent.id, instance: 'process 2' }
    await expect(world.request({ ...child, intent: intentOf(['read'], ['db:orders']) })).rejects.toMatchObject({ code: 'INTENT_OUTSIDE_ROLE' })
    const given = await world.request({ ...child, budget: { seconds: 100, steps: 15 } })
    expect(given).toMatchObject({ parentId: parent.id, rootId: parent.id, depth: 1, budget: { seconds: 100, steps: 15, renewals: 0, children: 0, depth: 0 } })
    expect(given.spiffeId).toBe(`${parent.spiffeId}/sub/${given.id}`)
    await expect(world.request({ ...child, instance: 'process 3', budget: { seconds: 100, steps: 10 } })).rejects.toMatchObject({ code: 'BUDGET_SPENT' })
  })

  test('invariant 7: is given and renewed only while its parent is active', async () => {
    const world = await GrantWorld.start()
    const parent = await world.active()
    const asked = await world.request({ parentGrantId: parent.id, instance: 'process 2', budget: { seconds: 100, renewals: 2 } })
    await world.issue('activate', asked.id, { instance: 'process 2' })
    await world.grants.suspend(parent.id, '', 'uid:0')
    await expect(world.issue('renew', asked.id, { instance: 'process 2' })).rejects.toMatchObject({ code: 'GRANT_STATE' })
    await expect(world.request({ parentGrantId: parent.id, instance: 'process 3' })).rejects.toMatchObject({ code: 'GRANT_STATE' })
    await expect(world.request({ parentGrantId: parent.id, instance: 'process 3' }, otherAgentId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('invariant 3: its credential and its deadline end by its parent’s', async () => {
    const world = await GrantWorld.start()
    const parent = await world.active({ budget: { seconds: 60 } })
    await world.pass(20, [parent.id])
    const asked = await world.request({ parentGrantId: parent.id, instance: 'process 2', budget: { seconds: 60 } })
    const { grant, chain } = await world.issue('activate', asked.id, { instance: 'process 2' })
    expect(grant.deadlineMs).toBe(parent.deadlineMs)
    expect(parseCertificate(chain[0] ?? new Uint8Array(0)).notAfterMs).toBeLessThanOrEqual(parent.deadlineMs)
  })
})

describe('an activation', () => {
  test('is a decision of its own, on what is attested then', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ minTier: 'pidfd', probes: ['kernel-locked'] })
    world.decide = ({ action, context }) => (action === 'activate' && context.secondsSinceActivation === 0 && context.probesFailed.length > 0 ? denies('posture-holds') : allows)
    const attested = { ...world.wish().attested, probes: [{ name: 'kernel-locked', ok: true }] }
    const { id } = await world.request({ attested })
    await expect(world.issue('activate', id)).rejects.toMatchObject({ code: 'GRANT_DENIED', details: { reasons: 'posture-holds' } })
    await expect(world.issue('activate', id, { attested: { ...attested, tier: 'pid' } })).rejects.toMatchObject({ code: 'BINDING_TOO_WEAK' })
    await expect(world.issue('activate', id, { attested: { ...attested, selectors: ['unix:uid:0'] } })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(world.issue('activate', id, { attested }, otherAgentId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await world.issue('activate', id, { attested })).grant).toMatchObject({ state: 'active', tier: 'pidfd' })
    expect((await world.store.grants.decisions(id)).map(({ decision }) => [decision.at, decision.allowed])).toEqual([['request', true], ['activate', false], ['activate', true]])
  })

  test('invariant 3: no credential outlives the deadline, the role’s life or the whole seconds of either', async () => {
    const world = await GrantWorld.start()
    const brief = await world.active({ budget: { seconds: 30 } })
    expect(brief.notAfterMs).toBe(brief.deadlineMs)
    const longer = await world.active({ instance: 'process 2' })
    expect([longer.notAfterMs - longer.activatedAtMs, longer.deadlineMs - longer.activatedAtMs]).toEqual([300_000, 600_000])
  })

  test('a key that was another grant’s is refused', async () => {
    const world = await GrantWorld.start()
    const csr = buildCsr(PrivateKey.generate())
    const [first, second] = [await world.request(), await world.request({ instance: 'process 2' })]
    await world.issue('activate', first.id, { csr })
    await expect(world.issue('activate', second.id, { csr, instance: 'process 2' })).rejects.toMatchObject({ code: 'KEY_DENIED' })
    expect(world.grants.index.byId(second.id)?.state).toBe('approved')
    await world.settled()
    expect(world.grants.index.byId(first.id)?.flags).toEqual(['second_use'])
    expect(world.grants.index.byId(second.id)?.flags).toEqual([])
  })

  test('a key of a running grant that comes with another request ends the one that has it, by role', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ endOnSecondUse: true })
    const csr = buildCsr(PrivateKey.generate())
    const [first, second] = [await world.request(), await world.active({ instance: 'process 2' })]
    await world.issue('activate', first.id, { csr })
    await expect(world.issue('renew', second.id, { csr, instance: 'process 2' })).rejects.toMatchObject({ code: 'KEY_DENIED' })
    expect(await world.became(first.id, 'ending', 'ended')).toMatchObject({ cause: 'leak', detail: expect.stringContaining('its key was shown for another grant') })
    expect(world.grants.index.byId(second.id)?.state).toBe('active')
  })

  test('a second one by another process is flagged, and by role ends the grant', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ endOnSecondUse: true })
    const grant = await world.active()
    await expect(world.issue('activate', grant.id)).rejects.toMatchObject({ code: 'GRANT_STATE' })
    expect(world.grants.index.byId(grant.id)?.flags).toEqual([])
    await expect(world.issue('activate', grant.id, { instance: 'process 9' })).rejects.toMatchObject({ code: 'GRANT_STATE' })
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'leak', flags: ['second_use'] })
  })
})

describe('a renewal', () => {
  test('invariant 5: supersedes the credential before; one is live', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    await world.pass(10, [grant.id])
    const { grant: renewed, chain } = await world.issue('renew', grant.id)
    expect(renewed).toMatchObject({ used: { renewals: 1 }, deadlineMs: grant.deadlineMs })
    expect(renewed.serial).not.toBe(grant.serial)
    expect([await world.ledger(grant.serial), await world.ledger(renewed.serial)]).toEqual(['superseded', 'released'])
    expect(parseCertificate(chain[0] ?? new Uint8Array(0)).extensions.grant).toMatchObject({ id: grant.id, deadlineMs: grant.deadlineMs })
  })

  test('is a fresh decision on present facts, its reason recorded; denied it leaves the credential as it was', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ progressSeconds: 60 })
    const grant = await world.active()
    world.decide = ({ action, context }) => (action === 'renew' && context.progressSecondsAgo > context.progressSeconds ? denies('progress-before-renewal') : { ...allows, reasons: ['permit-what-roles-allow'] })
    const stuck = { ...world.wish().attested, progressSecondsAgo: 61 }
    await expect(world.issue('renew', grant.id, { attested: stuck })).rejects.toMatchObject({ code: 'GRANT_DENIED' })
    expect(await world.ledger(grant.serial)).toBe('released')
    expect((await world.issue('renew', grant.id)).grant.decision).toMatchObject({ at: 'renew', reasons: ['permit-what-roles-allow'] })
    await expect(world.issue('renew', grant.id, { instance: 'process 9' })).rejects.toMatchObject({ code: 'NOT_IN_BINDING' })
  })

  test('invariant 8: an end ordered before it releases nothing', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    const [renewal] = await Promise.allSettled([world.issue('renew', grant.id), world.grants.ends.end(grant.id, { cause: 'operator', detail: '' }, 'uid:0')])
    expect(renewal.status === 'rejected' ? renewal.reason : renewal.value).toMatchObject({ code: 'GRANT_ENDED' })
    const { items } = await world.store.credentials.list({ spiffeId: grant.spiffeId, liveAtMs: world.grants.nowMs() }, { size: 10 })
    expect(items).toEqual([])
  })

  test('after a suspension it makes another credential, which is no renewal of the budget', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    expect(await world.grants.suspend(grant.id, 'looking at it', 'uid:0')).toMatchObject({ state: 'suspended', serial: '' })
    expect(await world.ledger(grant.serial)).toBe('revoked')
    await expect(world.issue('renew', grant.id)).rejects.toMatchObject({ code: 'GRANT_STATE' })
    expect(await world.grants.resume(grant.id, '', 'uid:0')).toMatchObject({ state: 'active', serial: '' })
    expect((await world.issue('renew', grant.id)).grant).toMatchObject({ state: 'active', used: { renewals: 0 } })
  })

  test('a process that came to its socket from outside is flagged, and by role ends it', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ name: 'strict', spiffeId: parseSpiffeId('spiffe://example.test/strict'), endOnSecondUse: true })
    const [lenient, strict] = [await world.active(), await world.active({ role: 'strict', spiffeId: '', instance: 'process 2' })]
    await expect(world.grants.outsider(lenient.id, { pid: 7, uid: 1000 }, otherAgentId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    for (const { id } of [lenient, strict]) await world.grants.outsider(id, { pid: 7, uid: 1000 }, agentId)
    expect(world.grants.index.byId(lenient.id)).toMatchObject({ state: 'active', flags: ['outsider'] })
    expect(await world.became(strict.id, 'ending', 'ended')).toMatchObject({ cause: 'leak', flags: ['outsider'], detail: expect.stringContaining('process 7 of uid 1000') })
    expect(await world.ledger(strict.serial)).toBe('revoked')
  })

  test('a use of the credential that was taken by a suspension is the task’s own for a minute', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    await world.grants.suspend(grant.id, '', 'uid:0')
    const use = { serial: grant.serial, verifier: agentId, firstMs: world.grants.nowMs(), count: 1 }
    await world.store.credentials.recordUses([{ ...use, lastMs: world.grants.nowMs() + 20_000 }], world.grants.nowMs())
    await world.settled()
    expect(world.grants.index.byId(grant.id)?.flags).toEqual([])
  })

  test('a use of the credential that it replaced, ten seconds after by the verifier’s time, is flagged', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    await world.issue('renew', grant.id)
    const use = { serial: grant.serial, verifier: agentId, firstMs: world.grants.nowMs(), count: 1 }
    await world.store.credentials.recordUses([{ ...use, lastMs: world.grants.nowMs() + 10_000 }], world.grants.nowMs())
    await world.settled()
    expect(world.grants.index.byId(grant.id)?.flags).toEqual([])
    await world.store.credentials.recordUses([{ ...use, lastMs: world.grants.nowMs() + 10_001 }], world.grants.nowMs())
    await world.settled()
    expect(world.grants.index.byId(grant.id)?.flags).toEqual(['second_use'])
  })

  test('the credential that it replaced, shown a minute after and refused, is flagged, also by a server that was started again; one that was taken is not', async () => {
    const world = await GrantWorld.start()
    const [renewed, suspended] = [await world.active(), await world.active({ instance: 'process 2' })]
    await world.issue('renew', renewed.id)
    await world.grants.suspend(suspended.id, '', 'uid:0')
    const refused = async (grant: { readonly serial: string }, afterMs: number): Promise<void> => {
      const lastMs = world.grants.nowMs() + afterMs
      await world.store.credentials.recordUses([{ serial: grant.serial, verifier: agentId, firstMs: lastMs, lastMs, count: 1, refused: true }], world.grants.nowMs())
      await world.settled()
    }
    await refused(renewed, 60_000)
    await refused(suspended, 600_000)
    for (const { id } of [renewed, suspended]) expect(world.grants.index.byId(id)?.flags).toEqual([])
    await refused(renewed, 60_001)
    expect(world.grants.index.byId(renewed.id)?.flags).toEqual(['second_use'])
  })
})
