import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hasEnded, isOver, type Grant, type GrantState } from '../../../src/core/grant/grant.ts'
import { approvedUntilMs, deadlineMs, latestNotAfterMs } from '../../../src/core/grant/limits.ts'
import { advance, type GrantMove } from '../../../src/core/grant/machine.ts'
import { approval, decision, grantId, requested, role, wish } from '../../support/store/grants.ts'
import { nowMs } from '../../support/store/samples.ts'

const fresh = requested(role({ approvals: 1 }), undefined, wish(1, { budget: { seconds: 900, renewals: 2, steps: 10, children: 3, depth: 2 } }))
const allowed = decision('activate')

/** Moves that may be tried at `atMs`, right and wrong ones. */
function moveAt(atMs: number, shift: number): fc.Arbitrary<GrantMove> {
  const notAfterMs = Math.floor((atMs + shift) / 1_000) * 1_000
  const approver = fc.constantFrom('alice', 'bob', 'team-a')
  const seen = fc.boolean().map((yes) => ({ ...allowed, allowed: yes, atMs }))
  return fc.oneof(
    fc.record({ kind: fc.constant('decided' as const), decision: seen, outcome: fc.constantFrom('approved' as const, 'pending' as const, 'pending' as const, 'denied' as const), approvalsNeeded: fc.nat({ max: 2 }) }),
    approver.map((who): GrantMove => ({ kind: 'approved', approval: approval(fresh, who, atMs, atMs + 600_000), requestHash: fresh.requestHash })),
    approver.map((who): GrantMove => ({ kind: 'withdrawn', approver: who })),
    fc.constant<GrantMove>({ kind: 'denied', approver: 'alice', reason: 'no' }),
    fc.constant<GrantMove>({ kind: 'lapsed', detail: '' }),
    { weight: 3, arbitrary: seen.map((made): GrantMove => ({ kind: 'activated', instance: 'child', binding: 'process', tier: 'pid', serial: 'aa', notAfterMs, decision: made })) },
    { weight: 3, arbitrary: seen.map((made): GrantMove => ({ kind: 'renewed', serial: 'bb', notAfterMs, decision: made })) },
    fc.constant<GrantMove>({ kind: 'suspended', detail: '' }),
    fc.constant<GrantMove>({ kind: 'resumed', detail: '' }),
    fc.integer({ min: -1, max: 12 }).map((steps): GrantMove => ({ kind: 'leased', steps })),
    fc.record({ steps: fc.nat({ max: 4 }), renewals: fc.nat({ max: 1 }), children: fc.nat({ max: 1 }), depth: fc.nat({ max: 2 }) }).map((budget): GrantMove => ({ kind: 'child_added', childId: grantId(2), budget: { seconds: 60, ...budget } })),
    fc.constantFrom<GrantMove>({ kind: 'flagged', flag: 'second_use' }, { kind: 'transferred', owner: 'team-b' }),
    fc.constantFrom<GrantMove>({ kind: 'ending', cause: 'completed', detail: '' }, { kind: 'ending', cause: 'leak', detail: '' }),
    fc.constant<GrantMove>({ kind: 'ended' }),
  )
}

// a clock that mostly goes on, and is sometimes set back
const ticks = fc.array(fc.record({ stepMs: fc.constantFrom(0, 1_000, 1_500, 60_000, 400_000, -300_000), shift: fc.constantFrom(-1_000, 30_000, 60_000, 3_600_000), seed: fc.nat() }), { minLength: 10, maxLength: 60 })

const active: Grant = { ...fresh, state: 'active', serial: 'aa', notAfterMs: nowMs + 60_000, activatedAtMs: nowMs, deadlineMs: nowMs + 900_000 }
const start = fc.constantFrom<Grant>(fresh, { ...fresh, state: 'approved' }, active, active, { ...active, approvalsNeeded: 1, approvals: [approval(fresh, 'alice', nowMs, nowMs + 600_000)] })

describe('over any moves, at any times', () => {
  const walk = (check: (before: Grant, move: GrantMove, after: Grant, atMs: number) => void): void => {
    fc.assert(
      fc.property(ticks, start, (path, from) => {
        let grant: Grant = from
        let atMs = nowMs
        for (const { stepMs, shift, seed } of path) {
          atMs += stepMs
          const [move] = fc.sample(moveAt(atMs, shift), { numRuns: 1, seed })
          if (move === undefined) continue
          const result = advance(grant, move, atMs)
          if (result.kind === 'unchanged') expect(result.grant).toBe(grant)
          if (result.kind !== 'moved') continue
          expect(result.grant.version).toBe(grant.version + 1)
          check(grant, move, result.grant, atMs)
          grant = result.grant
        }
      }),
      { numRuns: 400 },
    )
  }

  test('invariant 1: terminal states absorb, and the first cause stays', () => {
    walk((before, _move, after) => {
      expect(isOver(before.state)).toBe(false)
      if (hasEnded(before.state)) expect(after).toEqual({ ...before, state: 'ended', version: after.version })
      if (hasEnded(after.state)) expect(after.serial).toBe('')
    })
  })

  test('invariant 3: no credential ends later than the deadline, the approvals or the time that the budget gives', () => {
    walk((before, move, after, atMs) => {
      if (move.kind !== 'activated' && move.kind !== 'renewed') return
      expect(after.notAfterMs).toBeGreaterThan(atMs)
      expect(after.notAfterMs).toBeLessThanOrEqual(Math.min(after.deadlineMs, approvedUntilMs(before, atMs)))
      expect(after.deadlineMs).toBeLessThanOrEqual(after.activatedAtMs + after.budget.seconds * 1_000)
      expect(move.decision.allowed).toBe(true)
    })
  })

  test('invariant 4: used is within the budget, whatever is leased, renewed or given to children', () => {
    walk((_before, _move, { used, budget }) => {
      expect(used.renewals).toBeLessThanOrEqual(budget.renewals)
      expect(used.steps).toBeLessThanOrEqual(budget.steps)
      expect(used.children).toBeLessThanOrEqual(budget.children)
    })
  })

  test('invariant 9: an approval is over this request, by somebody else, once', () => {
    walk((before, move, after) => {
      if (move.kind !== 'approved') return
      expect(move.approval.approver).not.toBe(before.owner)
      expect(new Set(after.approvals.map(({ approver }) => approver)).size).toBe(after.approvals.length)
    })
    const pending = { ...fresh, state: 'pending_approval', approvalsNeeded: 1 } as const
    expect(advance(pending, { kind: 'approved', approval: approval(fresh, 'alice'), requestHash: 'another' }, nowMs)).toMatchObject({ kind: 'refused', code: 'APPROVAL_INVALID' })
  })

  test('invariant 11: intent and budget stay, what is used only grows, the deadline is set once', () => {
    walk((before, _move, after) => {
      expect(after.intent).toBe(before.intent)
      expect(after.budget).toBe(before.budget)
      expect(after.spiffeId).toBe(before.spiffeId)
      expect(after.used.renewals >= before.used.renewals && after.used.steps >= before.used.steps && after.used.children >= before.used.children).toBe(true)
      if (before.deadlineMs > 0) expect(after.deadlineMs).toBe(before.deadlineMs)
    })
  })

  test('invariant 15: a clock that is set back moves no deadline, and gives nothing past it', () => {
    let latest = 0
    walk((before, _move, after) => {
      latest = before.deadlineMs === 0 ? after.deadlineMs : before.deadlineMs
      if (after.deadlineMs > 0) expect(after.notAfterMs).toBeLessThanOrEqual(latest)
    })
  })
})

describe('single moves', () => {
  test.for<[GrantMove['kind'], GrantState, string]>([
    ['activated', 'requested', 'GRANT_STATE'],
    ['activated', 'pending_approval', 'GRANT_STATE'],
    ['activated', 'denied', 'GRANT_DENIED'],
    ['activated', 'lapsed', 'GRANT_LAPSED'],
    ['renewed', 'approved', 'GRANT_STATE'],
    ['renewed', 'suspended', 'GRANT_STATE'],
    ['renewed', 'ending', 'GRANT_ENDED'],
    ['leased', 'ended', 'GRANT_ENDED'],
    ['child_added', 'suspended', 'GRANT_STATE'],
    ['resumed', 'active', 'GRANT_STATE'],
    ['approved', 'approved', 'GRANT_STATE'],
    ['ending', 'requested', 'GRANT_STATE'],
  ])('%s in the state %s is refused with %s', ([kind, state, code]) => {
    const moves: Record<string, GrantMove> = {
      activated: { kind, instance: '', binding: 'process', tier: 'pid', serial: 'a', notAfterMs: nowMs + 1_000, decision: allowed } as GrantMove, // the kind of its row
      renewed: { kind: 'renewed', serial: 'a', notAfterMs: nowMs + 1_000, decision: allowed },
      leased: { kind: 'leased', steps: 1 },
      child_added: { kind: 'child_added', childId: '', budget: fresh.budget },
      resumed: { kind: 'resumed', detail: '' },
      approved: { kind: 'approved', approval: approval(fresh, 'alice'), requestHash: fresh.requestHash },
      ending: { kind: 'ending', cause: 'completed', detail: '' },
    }
    const move = moves[kind]
    if (move === undefined) throw new Error(`no move ${kind}`)
    expect(advance({ ...fresh, state }, move, nowMs)).toMatchObject({ kind: 'refused', code })
  })

  test.for<GrantState>(['ending', 'ended', 'denied', 'lapsed'])('ending what is %s changes nothing', (state) => {
    expect(advance({ ...active, state, cause: 'completed' }, { kind: 'ending', cause: 'leak', detail: '' }, nowMs)).toMatchObject({ kind: 'unchanged', grant: { cause: 'completed' } })
  })

  test('at its deadline a grant gets nothing more, suspended or not', () => {
    const renewal: GrantMove = { kind: 'renewed', serial: 'bb', notAfterMs: nowMs + 901_000, decision: allowed }
    expect(advance(active, renewal, nowMs + 900_000)).toMatchObject({ kind: 'refused', code: 'GRANT_ENDED' })
    expect(advance(active, { kind: 'leased', steps: 1 }, nowMs + 900_000)).toMatchObject({ kind: 'refused', code: 'GRANT_ENDED' })
    expect(advance({ ...active, state: 'suspended' }, { kind: 'resumed', detail: '' }, nowMs + 900_000)).toMatchObject({ kind: 'refused', code: 'GRANT_ENDED' })
  })

  test('invariant 4: time counts while suspended', () => {
    const suspended = advance(active, { kind: 'suspended', detail: '' }, nowMs + 1_000)
    const resumed = suspended.kind === 'moved' ? advance(suspended.grant, { kind: 'resumed', detail: '' }, nowMs + 800_000) : suspended
    expect(resumed).toMatchObject({ kind: 'moved', grant: { deadlineMs: active.deadlineMs } })
  })
})

test('invariant 3: the limit of a credential is the least of them all, in whole seconds', () => {
  const limits = fc.record({ deadlineMs: fc.nat({ max: 1e6 }), parentDeadlineMs: fc.option(fc.nat({ max: 1e6 }), { nil: undefined }), approvedUntilMs: fc.nat({ max: 1e6 }), authorityNotAfterMs: fc.nat({ max: 1e6 }), ttlSeconds: fc.nat({ max: 1_000 }) })
  fc.assert(
    fc.property(limits, fc.nat({ max: 1e6 }), (given, now) => {
      const latest = latestNotAfterMs(given, now)
      expect(latest % 1_000).toBe(0)
      for (const bound of [given.deadlineMs, given.parentDeadlineMs ?? Number.MAX_VALUE, given.approvedUntilMs, given.authorityNotAfterMs, now + given.ttlSeconds * 1_000]) expect(latest).toBeLessThanOrEqual(bound)
    }),
  )
})

test('a deadline is within the parent’s and within the approvals that are needed, the best of them', () => {
  const given = { budget: fresh.budget, approvalsNeeded: 2, approvals: [approval(fresh, 'a', nowMs, nowMs + 100_000), approval(fresh, 'b', nowMs, nowMs + 300_000), approval(fresh, 'c', nowMs, nowMs + 200_000)] }
  expect(deadlineMs(given, nowMs, undefined)).toBe(nowMs + 200_000)
  expect(deadlineMs(given, nowMs, nowMs + 50_000)).toBe(nowMs + 50_000)
  expect(deadlineMs({ ...given, approvalsNeeded: 0 }, nowMs, undefined)).toBe(nowMs + 900_000)
  expect(approvedUntilMs({ ...given, approvals: given.approvals.slice(0, 1) }, nowMs)).toBe(0)
})
