import { expect, test } from 'vitest'
import type { GrantRole } from '../../../src/core/grant/grant.ts'
import { isStrongEnough, parseRole } from '../../../src/core/grant/role.ts'
import { role } from '../../support/store/grants.ts'
import { agentId, id } from '../../support/store/samples.ts'

test('a role in its one form is itself; lists are sorted, each item once', () => {
  const given = parseRole(role({ approvers: ['bob', 'alice', 'bob'], requesters: [{ parentId: agentId, selectors: ['unix:uid:2', 'unix:uid:1', 'unix:uid:2'] }] }))
  expect(given).toMatchObject({ approvers: ['alice', 'bob'], requesters: [{ selectors: ['unix:uid:1', 'unix:uid:2'] }] })
  expect(parseRole(given)).toEqual(given)
})

test.for<[string, Partial<GrantRole>, string]>([
  ['a name with a blank', { name: 'a b' }, 'INVALID_ARGUMENT'],
  ['a name of 65 characters', { name: 'a'.repeat(65) }, 'INVALID_ARGUMENT'],
  ['the ID of an agent', { spiffeId: agentId }, 'INVALID_ARGUMENT'],
  ['the ID of a grant', { spiffeId: id('/a/task/b') }, 'INVALID_ARGUMENT'],
  ['no owner', { owner: '' }, 'INVALID_ARGUMENT'],
  ['nobody who may ask', { requesters: [] }, 'INVALID_ARGUMENT'],
  ['a requester without selectors', { requesters: [{ parentId: agentId, selectors: [] }] }, 'INVALID_ARGUMENT'],
  ['a selector that is none', { requesters: [{ parentId: agentId, selectors: ['uid'] }] }, 'SELECTOR_INVALID'],
  ['a requester known by the environment of its container', { requesters: [{ parentId: agentId, selectors: ['docker:env:ROLE=deploy'] }] }, 'INVALID_ARGUMENT'],
  ['nothing allowed', { intents: [] }, 'INVALID_ARGUMENT'],
  ['no time', { budget: { ...role().budget, seconds: 0 } }, 'INVALID_ARGUMENT'],
  ['half a step', { budget: { ...role().budget, steps: 0.5 } }, 'INVALID_ARGUMENT'],
  ['a tree deeper than six', { budget: { ...role().budget, depth: 7 } }, 'INVALID_ARGUMENT'],
  ['a credential that lives for more than an hour', { credentialTtlSeconds: 3_601 }, 'INVALID_ARGUMENT'],
  ['a request that waits for a second', { approvalTtlSeconds: 1 }, 'INVALID_ARGUMENT'],
  ['more approvals than approvers', { approvals: 2, approvers: ['alice'] }, 'INVALID_ARGUMENT'],
  ['a tier that is none', { minTier: 'vm' as 'pid' }, 'INVALID_ARGUMENT'],
  ['an action in capitals', { confirmActions: ['Drop'] }, 'INVALID_ARGUMENT'],
  ['a probe that is none', { probes: ['../x'] }, 'INVALID_ARGUMENT'],
])('a role with %s is refused', ([, change, code]) => {
  expect(() => parseRole(role(change))).toThrow(expect.objectContaining({ code }))
})

test('tiers are in order', () => {
  expect(isStrongEnough('cgroup', 'pidfd')).toBe(true)
  expect(isStrongEnough('pid', 'pid')).toBe(true)
  expect(isStrongEnough('pid', 'pidfd')).toBe(false)
})
