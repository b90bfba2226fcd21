import { describe, expect, test } from 'vitest'
import { agentId, allows, denies, GrantWorld, otherAgentId } from '../../support/server/grant-world.ts'

const operator = { name: 'uid:0', atMs: 0 }

describe('a grant ends by itself', () => {
  test('timeout: at its deadline, revoked in the same transaction', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active({ budget: { seconds: 30 } })
    await world.pass(29, [grant.id])
    expect(world.grants.index.byId(grant.id)?.state).toBe('active')
    await world.pass(2, [grant.id])
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'timeout', serial: '' })
    expect(await world.ledger(grant.serial)).toBe('revoked')
  })

  test('timeout: time runs on while it is suspended', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { seconds: 30 } })
    await world.grants.suspend(id, 'looking at it', 'uid:0')
    await world.pass(31, [id])
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'timeout' })
  })

  test('budget: when its credential has expired and no renewal is left', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ ttlSeconds: 20, budget: { renewals: 1 } })
    await world.issue('renew', id)
    await expect(world.issue('renew', id)).rejects.toMatchObject({ code: 'BUDGET_SPENT' })
    await world.pass(21, [id])
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'budget' })
  })

  test('lapses: what nobody activates in time', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.request()
    await world.pass(119)
    expect(world.grants.index.byId(id)?.state).toBe('approved')
    await world.pass(2)
    expect(await world.became(id, 'lapsed')).toMatchObject({ state: 'lapsed' })
    await expect(world.issue('activate', id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('orphan: invariant 13: 15 s after its agent last vouched for it, and no sooner', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    await world.pass(30, [grant.id])
    world.grants.heard(agentId, [grant.id], [])
    await world.pass(14)
    expect(world.grants.index.byId(grant.id)?.state).toBe('active')
    await world.pass(3)
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'orphan' })
    expect(await world.ledger(grant.serial)).toBe('revoked')
  })

  test('orphan: the word of another agent is no proof of life', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    for (let second = 0; second < 17; second++) {
      world.grants.heard(otherAgentId, [id], [])
      await world.pass(1)
    }
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'orphan' })
  })

  test('invariant 13: after a start of the server an agent has a minute to come back', async () => {
    const world = await GrantWorld.start()
    const kept = await world.active()
    const lost = await world.active({ instance: 'process 2' })
    await world.restart()
    await world.pass(50)
    expect([kept, lost].map(({ id }) => world.grants.index.byId(id)?.state)).toEqual(['active', 'active'])
    await world.pass(30, [kept.id])
    expect(await world.became(lost.id, 'ending', 'ended')).toMatchObject({ cause: 'orphan' })
    expect(world.grants.index.byId(kept.id)?.state).toBe('active')
  })

  test('what is due while the server is away ends when it is back', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active({ budget: { seconds: 60 } })
    await world.stop()
    await world.clock.advance(120_000)
    await world.open()
    await world.pass(1)
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'timeout' })
  })

  test('owner_removed: with all that is the owner’s, and nothing new is given', async () => {
    const world = await GrantWorld.start()
    const grants = [await world.active(), await world.active({ instance: 'process 2' })]
    const waiting = await world.request({ instance: 'process 3' })
    const changes = world.grants.owners
    await expect(changes.remove('team-db', { endAll: false, dryRun: false }, { ...operator, atMs: world.grants.nowMs() })).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
    const end = await changes.remove('team-db', { endAll: true, dryRun: false }, { ...operator, atMs: world.grants.nowMs() })
    expect(end.owned).toMatchObject({ grants: 3, roles: 1 })
    for (const { id, serial } of grants) {
      expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'owner_removed' })
      expect(await world.ledger(serial)).toBe('revoked')
    }
    await expect(world.issue('activate', waiting.id)).rejects.toThrow()
    await expect(world.request()).rejects.toMatchObject({ code: 'OWNER_MISSING' })
  })

  test('policy_change: those that another policy denies end; a dry run only says which', async () => {
    const world = await GrantWorld.start()
    const writing = await world.active()
    const reading = await world.active({ instance: 'process 2', intent: { ...world.wish().intent, actions: ['read'] } })
    const decider = { hash: '11'.repeat(32), decide: ({ context }: Parameters<typeof world.decide>[0]) => (context.actions.includes('write') ? denies('no-writes') : allows) }
    const by = { ...operator, atMs: world.grants.nowMs() }
    expect(await world.grants.reevaluate(decider, { dryRun: true }, by)).toEqual({ evaluated: 2, ended: [writing.id] })
    expect(world.grants.index.byId(writing.id)?.state).toBe('active')
    expect(await world.grants.reevaluate(decider, { dryRun: false }, by)).toEqual({ evaluated: 2, ended: [writing.id] })
    expect(await world.became(writing.id, 'ending', 'ended')).toMatchObject({ cause: 'policy_change', detail: 'no-writes' })
    expect(world.grants.index.byId(reading.id)?.state).toBe('active')
    expect((await world.store.grants.decisions(writing.id)).at(-1)?.decision).toMatchObject({ at: 'reevaluate', allowed: false, reasons: ['no-writes'] })
  })

  test('policy_change: facts attested before a restart are still known', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    await world.restart()
    const seen: (readonly string[])[] = []
    const decider = { hash: '11'.repeat(32), decide: ({ principal }: Parameters<typeof world.decide>[0]) => (seen.push(principal.kind === 'workload' ? principal.selectors : []), allows) }
    expect(await world.grants.reevaluate(decider, { dryRun: false }, { ...operator, atMs: world.grants.nowMs() })).toEqual({ evaluated: 1, ended: [] })
    expect(seen).toEqual([['unix:uid:1000']])
    expect(world.grants.index.byId(id)?.state).toBe('active')
  })

  test('policy_change: what runs by another policy than the one in force, and was not asked because the server died, is asked when it is back', async () => {
    const world = await GrantWorld.start()
    const writing = await world.active()
    const reading = await world.active({ instance: 'process 2', intent: { ...world.wish().intent, actions: ['read'] } })
    world.policyHash = '11'.repeat(32)
    let asked = 0
    world.decide = ({ context }) => (asked++, { ...(context.actions.includes('write') ? denies('no-writes') : allows), policyHash: world.policyHash })
    await world.restart()
    await world.pass(1)
    expect(await world.became(writing.id, 'ending', 'ended')).toMatchObject({ cause: 'policy_change', detail: 'no-writes' })
    expect(world.grants.index.byId(reading.id)?.state).toBe('active')
    expect(asked).toBe(2)
    await world.pass(3)
    expect(asked).toBe(2)
  })

  test('a decision of the policy before is no decision once another is in force: it is made anew', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.request()
    const hash = '11'.repeat(32)
    await world.store.policies.apply({ policies: {}, hash, reason: '' }, 0, { ...operator, atMs: world.grants.nowMs() })
    let asked = 0
    world.decide = () => ({ ...allows, policyHash: ++asked === 1 ? allows.policyHash : hash })
    expect((await world.issue('activate', id)).grant.decision).toMatchObject({ policyHash: hash })
    expect(asked).toBe(2)
    world.decide = () => allows
    await expect(world.issue('renew', id)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })

  test('invariant 14: what stands on an exception ends with its review, and what does not need it does not', async () => {
    const world = await GrantWorld.start()
    const by = { ...operator, atMs: world.grants.nowMs() }
    const reviewAtMs = world.grants.nowMs() + 60_000
    await world.store.people.put({ name: 'alice', sshKeys: ['ssh-ed25519 AAAAalice'], owners: [], roles: ['approve'] }, by)
    await world.store.exceptions.put({ id: 'one', control: 'no-writes', scope: 'role:deploy', owner: 'team-db', reason: 'why', approver: 'alice', reviewAtMs, value: 0 }, { signedHash: 'ab'.repeat(32), signature: 'signed' }, by)
    world.decide = ({ context }) => (context.actions.includes('write') && !context.exceptions.includes('no-writes') ? denies('no-writes') : allows)
    const writing = await world.active()
    const reading = await world.active({ instance: 'process 2', intent: { ...world.wish().intent, actions: ['read'] } })
    expect(writing.notAfterMs).toBe(reviewAtMs)
    expect(reading.notAfterMs).toBeGreaterThan(reviewAtMs)
    await world.pass(60, [writing.id, reading.id])
    await expect(world.issue('renew', writing.id)).rejects.toMatchObject({ code: 'GRANT_DENIED' })
  })

  test('posture: a probe that its role names no longer holds', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ probes: ['kernel-locked'] })
    await world.putRole({ name: 'plain', spiffeId: world.role().spiffeId })
    const attested = { ...world.wish().attested, probes: [{ name: 'kernel-locked', ok: true }] }
    const { id } = await world.request({ role: 'deploy', attested })
    await world.issue('activate', id, { attested })
    const plain = await world.request({ role: 'plain', instance: 'process 2' })
    await world.issue('activate', plain.id, { instance: 'process 2' })
    world.grants.heard(agentId, [id, plain.id], [{ name: 'kernel-locked', ok: false }])
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'posture', detail: 'no longer holds: kernel-locked' })
    expect(world.grants.index.byId(plain.id)?.state).toBe('active')
  })

  test('leak: the key of its credential says that it has leaked', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    const { publicKeyHash } = (await world.store.credentials.bySerial(grant.serial)) ?? { publicKeyHash: '' }
    await world.store.targets.endKey(publicKeyHash, { denyUnknown: false, reason: '' }, { ...operator, atMs: world.grants.nowMs() })
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'leak' })
  })

  test('operator: its serial is revoked by hand', async () => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    await world.store.targets.revoke({ kind: 'serial', serial: grant.serial }, { rotate: false, dryRun: false, reason: 'seen elsewhere' }, { ...operator, atMs: world.grants.nowMs() })
    expect(await world.became(grant.id, 'ending', 'ended')).toMatchObject({ cause: 'operator' })
  })

  test('parent_ended: with its parent, from the same transaction on', async () => {
    const world = await GrantWorld.start()
    const parent = await world.active()
    const asked = await world.request({ parentGrantId: parent.id, instance: 'process 2', budget: { seconds: 60, renewals: 1 } })
    const child = (await world.issue('activate', asked.id, { instance: 'process 2' })).grant
    expect(child.spiffeId).toBe(`${parent.spiffeId}/sub/${child.id}`)
    const { ended } = await world.grants.ends.end(parent.id, { cause: 'operator', detail: '' }, 'uid:0')
    expect(ended).toEqual([parent.id, child.id])
    expect(await world.became(child.id, 'ending', 'ended')).toMatchObject({ cause: 'parent_ended' })
    expect([await world.ledger(parent.serial), await world.ledger(child.serial)]).toEqual(['revoked', 'revoked'])
  })

  test.each(['completed', 'failed', 'process_exit', 'container_restart', 'posture', 'timeout', 'budget', 'leak', 'orphan'] as const)('%s: as its agent says', async (cause) => {
    const world = await GrantWorld.start()
    const grant = await world.active()
    expect(await world.grants.endByAgent(grant.id, { cause, outcome: '', detail: 'exit 1' }, agentId)).toMatchObject({ state: 'ending', cause, detail: 'exit 1' })
    expect(await world.ledger(grant.serial)).toBe('revoked')
    await world.pass(1)
    expect(await world.became(grant.id, 'ended')).toMatchObject({ state: 'ended', cause })
  })

  test('invariant 1: ended again it keeps its first cause', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    await world.grants.endByAgent(id, { cause: 'completed', outcome: '', detail: '' }, agentId)
    expect(await world.grants.endByAgent(id, { cause: 'failed', outcome: '', detail: '' }, agentId)).toMatchObject({ cause: 'completed' })
    await world.pass(1)
    expect(await world.grants.endByAgent(id, { cause: 'failed', outcome: '', detail: '' }, agentId)).toMatchObject({ state: 'ended', cause: 'completed' })
    await expect(world.grants.endByAgent(id, { cause: 'failed', outcome: '', detail: '' }, otherAgentId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('its requester may withdraw before it is active', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.request()
    expect(await world.grants.endByAgent(id, { cause: 'withdrawn', outcome: '', detail: '' }, agentId)).toMatchObject({ state: 'lapsed' })
  })

  test('what its agent no longer holds is closed; of an agent that does not come back after a while', async () => {
    const world = await GrantWorld.start()
    const [first, second] = [await world.active(), await world.active({ instance: 'process 2' })]
    await world.grants.ends.end(first.id, { cause: 'operator', detail: '' }, 'uid:0')
    await world.grants.ends.end(second.id, { cause: 'operator', detail: '' }, 'uid:0')
    world.grants.heard(agentId, [second.id], [])
    await world.pass(1)
    expect((await world.store.grants.byId(first.id))?.state).toBe('ended')
    expect((await world.store.grants.byId(second.id))?.state).toBe('ending')
    await world.clock.advance(300_000)
    await world.settled()
    expect(await world.became(second.id, 'ended')).toMatchObject({ state: 'ended' })
  })

  test('invariant 15: a clock that leaps ahead ends nothing and gives nothing', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { seconds: 60 } })
    world.clock.jump(3_600_000)
    await world.pass(10, [id])
    expect(world.grants.index.byId(id)?.state).toBe('active')
    await expect(world.issue('renew', id)).rejects.toMatchObject({ code: 'CLOCK_JUMPED' })
    await expect(world.request({ instance: 'process 2' })).rejects.toMatchObject({ code: 'CLOCK_JUMPED' })
    await world.pass(51, [id])
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'timeout' })
  })

  test('invariant 15: a clock that is set back extends nothing', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { seconds: 60 } })
    world.clock.jump(-120_000)
    await world.pass(61, [id])
    expect(await world.became(id, 'ending', 'ended')).toMatchObject({ cause: 'timeout' })
  })
})
