import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalIntent, coverage, dataClassOf, isExpected, isWithin, parseAllowedIntent, parseIntent, type RawIntent } from '../../../src/core/grant/intent.ts'
import type { AllowedIntent } from '../../../src/core/grant/grant.ts'

const production = { system: 'billing', environment: 'production', tenant: '' }
const raw: RawIntent = { actions: ['write', 'read'], resources: ['db:orders', 'db:customers', 'db:orders'], workspace: production, expectedOutcome: 'orders are migrated', reason: 'migration 42', ticket: 'CHG-7' }

describe('what a task declares', () => {
  test('lists are sorted, each item once', () => {
    expect(parseIntent(raw)).toMatchObject({ actions: ['read', 'write'], resources: ['db:customers', 'db:orders'] })
    expect(parseIntent({ actions: ['read'], resources: ['db:orders'] })).toMatchObject({ workspace: { system: '', environment: '', tenant: '' }, reason: '' })
  })

  test.for<[string, Partial<RawIntent>]>([
    ['no action', { actions: [] }],
    ['33 actions', { actions: Array.from({ length: 33 }, (_, n) => `a${n}`) }],
    ['an action in capitals', { actions: ['Write'] }],
    ['no resource', { resources: [] }],
    ['65 resources', { resources: Array.from({ length: 65 }, (_, n) => `db:${n}`) }],
    ['a resource without a kind', { resources: ['orders'] }],
    ['a wildcard', { resources: ['db:*'] }],
    ['a wildcard in the middle', { resources: ['db:a*b'] }],
    ['a blank in a resource', { resources: ['db:a b'] }],
    ['a line feed after a resource', { resources: ['db:orders\n'] }],
    ['a workspace with a slash', { workspace: { system: 'a/b' } }],
    ['a line feed in the reason', { reason: 'fine\napproved: yes' }],
    ['an escape sequence in the reason', { reason: '\u{1b}[2K' }],
    ['a right-to-left override in the reason', { reason: 'a\u{202e}b' }],
    ['a zero-width space in the ticket', { ticket: 'CHG\u{200b}7' }],
    ['a line separator in the expected outcome', { expectedOutcome: 'a\u{2028}b' }],
    ['half a surrogate pair', { reason: '\u{d800}' }],
    ['text that is not in normal form', { reason: 'e\u{301}' }],
    ['501 bytes of reason', { reason: 'é'.repeat(251) }],
    ['101 bytes of ticket', { ticket: 'x'.repeat(101) }],
  ])('%s is refused', ([, change]) => {
    expect(() => parseIntent({ ...raw, ...change })).toThrow(expect.objectContaining({ code: 'INTENT_INVALID' }))
  })

  test('whatever is thrown at it, it gives an intent in its one form or INTENT_INVALID', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('read', 'db:orders', 'db:*', ''))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), fc.array(text, { maxLength: 4 }), text, text, (actions, resources, reason, system) => {
        try {
          const intent = parseIntent({ actions, resources, reason, workspace: { system } })
          expect(parseIntent(intent)).toEqual(intent)
          expect(canonicalIntent(intent).split('\n')).toHaveLength(10)
        } catch (error) {
          expect(error).toMatchObject({ code: 'INTENT_INVALID' })
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('the canonical text has one line a field, and another for each other intent', () => {
  expect(canonicalIntent(parseIntent(raw))).toBe(
    'mayfly intent 1\nactions: ["read","write"]\nresources: ["db:customers","db:orders"]\nsystem: "billing"\nenvironment: "production"\ntenant: ""\nexpected_outcome: "orders are migrated"\nreason: "migration 42"\nticket: "CHG-7"\n',
  )
  const some = fc.record({
    actions: fc.uniqueArray(fc.constantFrom('read', 'write', 'drop'), { minLength: 1 }),
    resources: fc.uniqueArray(fc.constantFrom('db:a', 'db:b', 's3:a'), { minLength: 1 }),
    workspace: fc.record({ system: fc.constantFrom('', 'a'), environment: fc.constantFrom('', 'a'), tenant: fc.constantFrom('', 'a') }),
    reason: fc.constantFrom('', 'a', '","ticket: "'),
    ticket: fc.constantFrom('', 'a'),
  })
  fc.assert(
    fc.property(some, some, (left, right) => {
      const [one, other] = [parseIntent(left), parseIntent(right)]
      expect(canonicalIntent(one) === canonicalIntent(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
    }),
  )
})

describe('what a role allows', () => {
  const terms: AllowedIntent[] = [
    { actions: ['read', 'write'], resources: ['db:orders', 'db:customers'], dataClass: 'internal', workspace: production },
    { actions: ['read'], resources: ['db:*'], dataClass: 'confidential', workspace: production },
    { actions: ['read', 'write', 'drop'], resources: ['db:*'], dataClass: 'public', workspace: { ...production, environment: 'test' } },
  ].map((one) => parseAllowedIntent({ ...one, dataClass: one.dataClass as AllowedIntent['dataClass'] })) // written above

  test.for<[string, Partial<RawIntent>, object]>([
    ['what it names', {}, { kind: 'covered' }],
    ['all of a kind', { actions: ['read'], resources: ['db:anything', 'db:orders'] }, { kind: 'covered' }],
    ['an action that another resource has', { actions: ['read', 'write'], resources: ['db:orders', 'db:other'] }, { kind: 'outside', action: 'write', resource: 'db:other' }],
    ['an action that another workspace has', { actions: ['drop'] }, { kind: 'outside', action: 'drop', resource: 'db:customers' }],
    ['another kind', { actions: ['read'], resources: ['s3:db:orders'] }, { kind: 'outside', action: 'read', resource: 's3:db:orders' }],
    ['a workspace that it does not name', { workspace: { ...production, tenant: 'acme' } }, { kind: 'outside', action: 'read', resource: 'db:customers' }],
    ['a workspace that is left out', { workspace: {} }, { kind: 'outside', action: 'read', resource: 'db:customers' }],
  ])('%s: %s', ([, change, expected]) => {
    expect(coverage(terms, parseIntent({ ...raw, ...change }))).toEqual(expected)
  })

  test('the class of a resource is the most sensitive that is stated for it there', () => {
    expect(dataClassOf(terms, 'db:orders', production)).toBe('confidential')
    expect(dataClassOf(terms, 'db:orders', { ...production, environment: 'test' })).toBe('public')
    expect(dataClassOf(terms, 's3:x', production)).toBeUndefined()
    expect(() => parseAllowedIntent({ actions: ['read'], resources: ['db:*'], dataClass: 'secret' as 'public', workspace: production })).toThrow('a data class is one of') // what a caller of the wire may say
  })
})

test('invariant 6: a child lies within its parent when its place is the same and each of its actions and resources is there', () => {
  const outer = parseIntent(raw)
  expect(isWithin(parseIntent({ ...raw, actions: ['read'], resources: ['db:orders'] }), outer)).toBe(true)
  expect(isWithin(parseIntent({ ...raw, actions: ['read', 'drop'] }), outer)).toBe(false)
  expect(isWithin(parseIntent({ ...raw, resources: ['db:other'] }), outer)).toBe(false)
  expect(isWithin(parseIntent({ ...raw, workspace: {} }), outer)).toBe(false)
})

test('what was declared is expected, and nothing is when nothing was', () => {
  expect(isExpected(parseIntent(raw), ' orders are migrated\n')).toBe(true)
  expect(isExpected(parseIntent(raw), 'orders are gone')).toBe(false)
  expect(isExpected(parseIntent({ ...raw, expectedOutcome: '' }), '')).toBe(false)
})
