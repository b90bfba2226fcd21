import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalRequest } from '../../../src/core/grant/canonical.ts'
import type { Grant } from '../../../src/core/grant/grant.ts'
import { parseIntent } from '../../../src/core/grant/intent.ts'
import { isWider } from '../../../src/core/grant/request.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { grantId, requested, role, wish } from '../../support/store/grants.ts'
import { id, trustDomain } from '../../support/store/samples.ts'

const root: Grant = { ...requested(role(), undefined, wish(1)), state: 'active', deadlineMs: 1 }

test('a request without wishes gets what its role gives; a child gets time and nothing else unasked', () => {
  expect(root.budget).toEqual(role().budget)
  for (const budget of [{ seconds: -1 }, { steps: 1.5 }, { children: Number.NaN }]) expect(() => requested(role(), undefined, wish(1, { budget }))).toThrow(/whole numbers/)
  expect(requested(role(), root, wish(2)).budget).toEqual({ seconds: 3_600, renewals: 0, steps: 0, children: 0, depth: 0 })
  expect(requested(role(), root, wish(2, { ttlSeconds: 60 }))).toMatchObject({ ttlSeconds: 60, parentId: root.id, rootId: root.id, depth: 1, spiffeId: `${root.spiffeId}/sub/${grantId(2)}` })
  expect(requested(role(), undefined, wish(2, { ttlSeconds: 86_400 })).ttlSeconds).toBe(300)
})

test('invariants 4 and 6: whatever is wished for, a request has no more of anything than its role and what its parent has left', () => {
  const amount = fc.nat({ max: 2_000 })
  const budget = fc.record({ seconds: amount, renewals: amount, steps: amount, children: fc.nat({ max: 30 }), depth: fc.nat({ max: 5 }) })
  const used = fc.record({ renewals: fc.nat({ max: 100 }), steps: fc.nat({ max: 1_000 }), children: fc.nat({ max: 20 }) })
  fc.assert(
    fc.property(budget, used, (wanted, gone) => {
      const parent = { ...root, used: gone }
      let grant: Grant
      try {
        grant = requested(role(), parent, wish(2, { budget: wanted }))
      } catch (error) {
        expect(error).toMatchObject({ code: 'BUDGET_SPENT' })
        return
      }
      const { steps, renewals, children, depth, seconds } = grant.budget
      expect(seconds).toBeLessThanOrEqual(role().budget.seconds)
      expect(gone.steps + steps).toBeLessThanOrEqual(parent.budget.steps)
      expect(gone.renewals + renewals).toBeLessThanOrEqual(parent.budget.renewals)
      expect(gone.children + children + 1).toBeLessThanOrEqual(parent.budget.children)
      expect(depth).toBeLessThan(parent.budget.depth)
    }),
  )
})

test('an intent outside the role, or outside the parent, is refused', () => {
  const drop = parseIntent({ ...wish(1).intent, actions: ['drop'] })
  expect(() => requested(role(), undefined, wish(1, { intent: drop }))).toThrow(expect.objectContaining({ code: 'INTENT_OUTSIDE_ROLE' }))
  const read = parseIntent({ ...wish(1).intent, actions: ['read'] })
  expect(requested(role(), undefined, wish(2, { intent: read })).intent).toEqual(read)
  expect(() => requested(role(), root, wish(2, { intent: read }))).toThrow(expect.objectContaining({ code: 'INTENT_OUTSIDE_ROLE' }))
})

test('invariant 9: every field that approvers answer for is in the canonical request', () => {
  const text = canonicalRequest(trustDomain, root)
  const others: Partial<Grant>[] = [
    { id: grantId(9) }, { spiffeId: id('/x/task/y') }, { role: 'other' }, { roleVersion: 9 }, { parentId: grantId(9) }, { agentId: id('/spire/agent/other') }, { requester: 'uid:0' }, { instance: 'other' },
    { owner: 'team-b' }, { ttlSeconds: 1 }, { lapsesAtMs: 1 }, { intent: { ...root.intent, reason: 'other' } }, { intent: { ...root.intent, actions: ['read'] } },
    ...(['seconds', 'renewals', 'steps', 'children', 'depth'] as const).map((dimension) => ({ budget: { ...root.budget, [dimension]: 7 } })),
  ]
  for (const change of others) expect(canonicalRequest(trustDomain, { ...root, ...change })).not.toBe(text)
  expect(canonicalRequest(parseTrustDomain('other.org'), root)).not.toBe(text)
  expect(canonicalRequest(trustDomain, { ...root, requester: 'a"\nowner: "b' }).split('\n')).toHaveLength(text.split('\n').length)
})

test('a request is wider when it reaches further in any way', () => {
  expect(isWider(root, root)).toBe(false)
  expect(isWider({ ...root, budget: { ...root.budget, steps: root.budget.steps + 1 } }, root)).toBe(true)
  expect(isWider({ ...root, intent: parseIntent({ ...root.intent, resources: ['db:orders', 'db:more'] }) }, root)).toBe(true)
  expect(isWider({ ...root, intent: parseIntent({ ...root.intent, workspace: {} }) }, root)).toBe(true)
})
