import { describe, expect, test } from 'vitest'
import type { StepWish } from '../../../server/grants/steps.ts'
import { agentId, allows, denies, GrantWorld, otherAgentId, workspace } from '../../support/server/grant-world.ts'

const signal = new AbortController().signal

function stepOf(grantId: string, changed: Partial<StepWish> = {}): StepWish {
  return { grantId, action: 'write', resource: 'db:orders', description: 'row 7', waitMs: 0, probes: [], ...changed }
}

async function registered(world: GrantWorld, ...names: readonly string[]): Promise<void> {
  for (const name of names) await world.store.people.put({ name, sshKeys: [`ssh-ed25519 ${Buffer.from(`key of ${name}`).toString('base64').replace(/^..../, 'AAAA')}`], owners: [], roles: ['approve'] }, { name: 'test', atMs: world.grants.nowMs() })
}

describe('steps', () => {
  test('invariant 4: are leased in blocks of a tenth, until the budget is spent', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { steps: 15 } })
    const leased = []
    for (let call = 0; call < 9; call++) leased.push(await world.grants.steps.lease(id, agentId))
    expect(leased).toEqual([2, 2, 2, 2, 2, 2, 2, 1, 0])
    expect(world.grants.index.byId(id)?.used.steps).toBe(15)
    await expect(world.grants.steps.lease(id, otherAgentId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await world.grants.suspend(id, '', 'uid:0')
    await expect(world.grants.steps.lease(id, agentId)).rejects.toMatchObject({ code: 'GRANT_STATE' })
  })

  test('invariant 4: a block lasts for some seconds at the pace of the task, and is a tenth of the budget at most', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ budget: { ...world.role().budget, steps: 20_000 } })
    const { id, activatedAtMs } = await world.active()
    const lease = async (): Promise<number> => await world.grants.steps.lease(id, agentId)
    expect(await lease()).toBe(100)
    expect(await lease()).toBe(500)
    expect(await lease()).toBe(2_000)
    await world.clock.advance(10_000)
    const { used } = world.grants.index.byId(id) ?? { used: { steps: 0 } }
    expect(used.steps).toBe(2_600)
    expect(await lease()).toBe(Math.ceil((used.steps / ((world.grants.nowMs() - activatedAtMs) / 1_000)) * 5))
  })

  test('that an agent decided are recorded, those of its own grants', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    const taken = { grantId: id, action: 'write', resource: 'db:orders', description: 'row 7', allowed: true, reasons: ['permit'], atMs: world.grants.nowMs() + 9_999_999, policyHash: allows.policyHash }
    await world.grants.steps.record([taken], agentId)
    await world.grants.steps.record([taken], otherAgentId)
    expect((await world.store.grants.steps(id, { size: 10 })).items).toEqual([{ ...taken, atMs: world.grants.nowMs() + 300_000 }])
    await expect(world.grants.steps.record([{ ...taken, description: 'a\nb' }], agentId)).rejects.toMatchObject({ code: 'INTENT_INVALID' })
  })

  test('invariant 10: a confirmed one is decided on the policy and the state of this moment, taken from the budget and recorded', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: true, reasons: ['permit'], stepsLeft: 19 })
    world.decide = ({ action, resources }) => (action === 'step' && resources[0]?.name === 'db:orders' ? denies('orders-frozen') : allows)
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['orders-frozen'], stepsLeft: 19 })
    expect(await world.grants.steps.confirm(stepOf(id, { resource: 'db:payments' }), agentId, signal)).toMatchObject({ allowed: false, reasons: ['outside-intent'] })
    expect((await world.store.grants.steps(id, { size: 10 })).items.map(({ allowed, reasons }) => [allowed, ...reasons])).toEqual([[true, 'permit'], [false, 'orders-frozen'], [false, 'outside-intent']])
    expect((await world.store.grants.decisions(id)).at(-1)?.decision).toMatchObject({ at: 'step', reasons: ['orders-frozen'] })
    await world.grants.ends.end(id, { cause: 'operator', detail: '' }, 'uid:0')
    await expect(world.grants.steps.confirm(stepOf(id), agentId, signal)).rejects.toMatchObject({ code: 'GRANT_STATE' })
  })

  test('the budget denies by name', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active({ budget: { steps: 1 } })
    await world.grants.steps.confirm(stepOf(id), agentId, signal)
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['budget-steps'], stepsLeft: 0 })
  })

  test('one that wants an approval of its own waits for a person, and is taken once', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    await registered(world, 'alice')
    const told: unknown[] = []
    world.grants.onApprovalWanted((notice) => told.push(notice))
    const asked = await world.grants.steps.confirm(stepOf(id), agentId, signal)
    expect(asked).toMatchObject({ allowed: false, reasons: ['approval-wanted'], hint: `a person has to approve it first: mayfly approve ${asked.approvalId}` })
    await world.settled()
    expect(told).toMatchObject([{ event: 'approval.wanted', id: asked.approvalId, grant: id, actions: ['write'] }])
    const again = world.grants.steps.confirm(stepOf(id, { waitMs: 60_000 }), agentId, signal)
    await world.settled()
    expect(world.grants.stepApprovals.say(asked.approvalId, { kind: 'approved', approver: 'alice' })).toBe(true)
    expect(await again).toMatchObject({ allowed: true, reasons: ['permit', 'approved-by:alice'] })
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
  })

  test('invariant 9: an approval is of the step as it was described, and of no other', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    await registered(world, 'alice')
    const { approvalId } = await world.grants.steps.confirm(stepOf(id, { description: 'add a column' }), agentId, signal)
    world.grants.stepApprovals.say(approvalId, { kind: 'approved', approver: 'alice' })
    const other = await world.grants.steps.confirm(stepOf(id, { description: 'drop the table' }), agentId, signal)
    expect(other).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
    expect(other.approvalId).not.toBe(approvalId)
    expect(await world.grants.steps.confirm(stepOf(id, { description: 'add a column' }), agentId, signal)).toMatchObject({ allowed: true, reasons: ['permit', 'approved-by:alice'] })
  })

  test('one that policy wants two people for waits for two, each once', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    await registered(world, 'alice', 'bob')
    world.decide = ({ action }) => (action === 'step' ? denies('two-people', 2) : allows)
    const { approvalId, hint } = await world.grants.steps.confirm(stepOf(id), agentId, signal)
    expect(hint).toBe(`2 people have to approve it first: mayfly approve ${approvalId}`)
    world.grants.stepApprovals.say(approvalId, { kind: 'approved', approver: 'alice' })
    world.grants.stepApprovals.say(approvalId, { kind: 'approved', approver: 'alice' })
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, approvalId, hint: `a person has to approve it first: mayfly approve ${approvalId}` })
    world.grants.stepApprovals.say(approvalId, { kind: 'approved', approver: 'bob' })
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: true, reasons: ['approved-by:alice', 'approved-by:bob'] })
  })

  test('one whose approver is registered no more, or for which policy wants another by now, waits anew', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    await registered(world, 'alice', 'bob')
    const first = await world.grants.steps.confirm(stepOf(id), agentId, signal)
    world.grants.stepApprovals.say(first.approvalId, { kind: 'approved', approver: 'alice' })
    await world.store.people.remove('alice', { name: 'test', atMs: world.grants.nowMs() })
    const second = await world.grants.steps.confirm(stepOf(id), agentId, signal)
    expect(second).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
    world.grants.stepApprovals.say(second.approvalId, { kind: 'approved', approver: 'bob' })
    world.decide = ({ action }) => (action === 'step' ? denies('two-people', 2) : allows)
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
  })

  test('one that the role no longer allows is not taken, whatever the grant was given for', async () => {
    const world = await GrantWorld.start()
    const { id } = await world.active()
    await world.putRole({ intents: [{ actions: ['read'], resources: ['db:orders'], dataClass: 'internal', workspace }] })
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['outside-role'] })
  })

  test('one that policy forbids by the time a person has approved it is not taken', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    const { approvalId } = await world.grants.steps.confirm(stepOf(id), agentId, signal)
    world.grants.stepApprovals.say(approvalId, { kind: 'approved', approver: 'alice' })
    world.decide = () => denies('orders-frozen')
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['orders-frozen'], approvalId: '' })
  })

  test('one that a person denies, or nobody decides while the caller waits, is not taken', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    const waiting = world.grants.steps.confirm(stepOf(id, { waitMs: 5_000 }), agentId, signal)
    await world.settled()
    await world.clock.advance(5_000)
    const { approvalId, allowed } = await waiting
    expect(allowed).toBe(false)
    world.grants.stepApprovals.say(approvalId, { kind: 'denied', approver: 'alice', reason: 'no' })
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['denied-by:alice'] })
    expect(world.grants.index.byId(id)?.used.steps).toBe(0)
  })

  test('what waits for people goes with its grant', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ approveActions: ['write'] })
    const { id } = await world.active()
    const waiting = world.grants.steps.confirm(stepOf(id, { waitMs: 60_000 }), agentId, signal)
    await world.settled()
    expect(world.grants.stepApprovals.all()).toHaveLength(1)
    await world.grants.ends.end(id, { cause: 'operator', detail: '' }, 'uid:0')
    expect(await waiting).toMatchObject({ allowed: false, reasons: ['approval-lapsed'] })
    expect(world.grants.stepApprovals.all()).toEqual([])
  })

  test('a probe that does not hold denies it', async () => {
    const world = await GrantWorld.start()
    await world.putRole({ probes: ['kernel-locked'] })
    world.decide = ({ action, context }) => (action === 'step' && context.probesFailed.length > 0 ? denies('posture-holds') : allows)
    const { id } = await world.active()
    expect(await world.grants.steps.confirm(stepOf(id), agentId, signal)).toMatchObject({ allowed: false, reasons: ['posture-holds'] })
    expect(await world.grants.steps.confirm(stepOf(id, { probes: [{ name: 'kernel-locked', ok: true }] }), agentId, signal)).toMatchObject({ allowed: true })
  })
})
