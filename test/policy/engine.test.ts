import { policyToJson, preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PolicyEngine } from '../../src/policy/engine.ts'
import { questionsOf } from '../../src/policy/questions.ts'
import { lookedAt } from '../../src/policy/relevance.ts'
import { policyHash } from '../../src/policy/policy-set.ts'
import { starterPolicy } from '../../src/policy/starter.ts'
import { alice, asked, orders, type Overrides } from './support.ts'

const permit = { permits: 'permit (principal is Mayfly::Workload, action, resource);' }

describe('what an exception can waive', () => {
  const looks = async (condition: string): Promise<readonly string[] | undefined> => {
    using engine = await PolicyEngine.load({ control: `forbid (principal, action == Mayfly::Action::"request", resource) unless { ${condition} };` })
    return engine.waivable === undefined ? undefined : [...engine.waivable].toSorted()
  }

  test.for([
    ['context.exceptions.contains("a")', ['a']],
    ['context["exceptions"].contains("a")', ['a']],
    ['context.exceptions.containsAny(["a", "b"]) || context.exceptions.containsAll(["c"])', ['a', 'b', 'c']],
    ['context.reason == "context.exceptions.contains(\\"a\\")" // context.exceptions.contains("b")\n', []],
    ['context.flags.contains("a")', []],
  ] as const)('%s names %j', async ([condition, names]) => {
    expect(await looks(condition)).toEqual(names)
  })

  test.for(['context.exceptions.contains(context.reason)', 'context.exceptions.containsAny(["a", context.role])', 'context.exceptions == ["a"]'])('%s does not say', async (condition) => {
    expect(await looks(condition)).toBeUndefined()
  })
})

describe('the starter policy', async () => {
  const engine = await PolicyEngine.load(starterPolicy)

  test.for<[string, Overrides, boolean, string, number?]>([
    ['an ordinary request', {}, true, 'permit-what-roles-allow'],
    ['no owner', { context: { ownerKnown: false } }, false, 'owner-answers'],
    ['no reason', { context: { reason: '' } }, false, 'reason-given'],
    ['no reason, waived', { context: { reason: '', exceptions: ['reason-given'] } }, true, 'permit-what-roles-allow'],
    ['production without a ticket', { resource: { environment: 'production' }, context: { ticket: '' } }, false, 'ticket-in-production'],
    ['confidential data, weak binding', { action: 'activate', principal: { tier: 'pid' }, resource: { dataClass: 'confidential' } }, false, 'binding-fits-data'],
    ['restricted data', { action: 'activate', resource: { dataClass: 'restricted' } }, false, 'restricted-data-approved', 1],
    ['restricted data, approved', { action: 'activate', resource: { dataClass: 'restricted' }, context: { approvalsGiven: 1 } }, true, 'permit-what-roles-allow'],
    ['wider after a denial', { action: 'activate', context: { flags: ['wider_after_denial'] } }, false, 'wider-request-approved', 1],
    ['ten denials', { principal: { recentDenials: 10 } }, false, 'denials-cool-down'],
    ['a longer life', { context: { ttlSeconds: 3601 } }, false, 'life-within-limit'],
    ['a longer life by exception', { context: { ttlSeconds: 3601, maxTtlSeconds: 7200 } }, true, 'permit-what-roles-allow'],
    ['posture lost at a step', { action: 'step', context: { probesFailed: ['kernel'] } }, false, 'posture-holds'],
    ['no progress at a renewal', { action: 'renew', context: { progressSeconds: 60, progressSecondsAgo: 61 } }, false, 'progress-before-renewal'],
    ['a second use', { action: 'step', context: { flags: ['second_use'] } }, false, 'flagged-steps-stop'],
    ['a registered approver', { action: 'approve', principal: alice }, true, 'permit-registered-approvers'],
    ['a person without the role', { action: 'approve', principal: { ...alice, roles: ['read'] } }, false, 'no-permit'],
    ['the requester approves', { action: 'approve', principal: alice, context: { requester: 'alice' } }, false, 'approver-is-not-requester'],
    ['the owner approves', { action: 'approve', principal: alice, context: { owner: 'billing' } }, false, 'approver-does-not-own'],
  ])('%s', ([, given, allowed, reason, approvalsWanted = 0]) => {
    expect(engine.decide(asked(given))).toEqual({ allowed, reasons: [reason], policyHash: engine.hash, approvalsWanted })
  })

  test('no set of facts makes a denied control pass by another fact: what is waived is named', () => {
    const flags = fc.subarray(['wider_after_denial', 'second_use', 'other'])
    fc.assert(
      fc.property(flags, fc.nat(20), fc.nat(9), fc.constantFrom('pid', 'pidfd', 'cgroup'), (held, recentDenials, approvalsGiven, tier) => {
        const decision = engine.decide(asked({ principal: { recentDenials, tier }, context: { flags: held, approvalsGiven, ownerKnown: false } }))
        expect(decision.allowed).toBe(false)
        expect(decision.reasons).toContain('owner-answers')
      }),
      { numRuns: 50 },
    )
  })
})

describe('what an engine answers', () => {
  test('a forbid that fails denies, though Cedar itself would allow', async () => {
    const engine = await PolicyEngine.load({ ...permit, overflows: 'forbid (principal, action, resource) when { context.ttlSeconds * 9223372036854775807 > 1 };' })
    expect(engine.decide(asked())).toMatchObject({ allowed: false, reasons: ['policy-error:overflows'], approvalsWanted: 0 })
  })

  test('what was asked before is answered as if it were asked for the first time, whatever was asked in between', async () => {
    using remembering = await PolicyEngine.load(starterPolicy)
    const facts = fc.record({
      action: fc.constantFrom('request', 'activate', 'renew', 'step'),
      resource: fc.record({ name: fc.constantFrom('db:orders', 'db:payroll'), dataClass: fc.constantFrom('internal', 'restricted'), environment: fc.constantFrom('staging', 'production') }),
      context: fc.record({ ownerKnown: fc.boolean(), reason: fc.constantFrom('', 'migration'), ticket: fc.constantFrom('', 'CHG-7'), probesFailed: fc.constantFrom([], ['kernel']), approvalsGiven: fc.nat(2), nowMs: fc.nat() }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(facts, { minLength: 1, maxLength: 30 }), async (all) => {
        using fresh = await PolicyEngine.load(starterPolicy)
        for (const one of all) expect(remembering.decide(asked(one))).toEqual(fresh.decide(asked(one)))
      }),
      { numRuns: 40 },
    )
  })

  test('an engine that was given back remembers nothing', async () => {
    const engine = await PolicyEngine.load(permit)
    expect(engine.decide(asked()).allowed).toBe(true)
    engine[Symbol.dispose]()
    expect(engine.decide(asked()).allowed).toBe(false)
  })

  test('nothing permits: denied, by that name', async () => {
    const engine = await PolicyEngine.load({ people: 'permit (principal is Mayfly::Person, action, resource);' })
    expect(engine.decide(asked())).toMatchObject({ allowed: false, reasons: ['no-permit'] })
  })

  test('one resource that is denied denies all', async () => {
    const engine = await PolicyEngine.load({ ...permit, 'no-payroll': 'forbid (principal, action, resource) when { resource.name == "db:payroll" };' })
    const request = { ...asked(), resources: [orders, { ...orders, name: 'db:payroll' }] }
    expect(engine.decide(request)).toMatchObject({ allowed: false, reasons: ['no-payroll'] })
    expect(engine.decide({ ...request, resources: [] })).toMatchObject({ allowed: false, reasons: ['no-resource'] })
  })

  test('approvals are wanted only when they would lift every control that denies', async () => {
    const lifted = '@approvals("2") forbid (principal, action, resource) when { context.approvalsGiven < 2 };'
    const engine = await PolicyEngine.load({ ...permit, 'two-people': lifted, 'no-tenant': 'forbid (principal, action, resource) when { resource.tenant == "" };' })
    expect(engine.decide(asked({ resource: { tenant: 'a' } })).approvalsWanted).toBe(2)
    expect(engine.decide(asked()).approvalsWanted).toBe(0)
    expect(engine.decide(asked({ resource: { tenant: 'a' }, context: { approvalsGiven: 2 } })).allowed).toBe(true)
  })

  test('minute and weekday are UTC', async () => {
    const engine = await PolicyEngine.load({ ...permit, window: 'forbid (principal, action, resource) unless { context.weekday == 7 && context.minuteOfDay == 750 };' })
    expect(engine.decide(asked()).allowed).toBe(true) // Sunday 2026-11-22, 12:30
    expect(engine.decide(asked({ context: { nowMs: Date.UTC(2026, 10, 23, 12, 30) } })).allowed).toBe(false)
  })

  test('two engines live beside each other, and one that is given back does not take the other along', async () => {
    const strict = await PolicyEngine.load({ ...permit, never: 'forbid (principal, action, resource) when { context.depth >= 0 };' })
    using open = await PolicyEngine.load(permit)
    expect(strict.decide(asked()).allowed).toBe(false)
    expect(open.decide(asked()).allowed).toBe(true)
    strict[Symbol.dispose]()
    expect(open.decide(asked()).allowed).toBe(true)
    expect(strict.decide(asked()).allowed).toBe(false)
  })
})

describe('what is sent to be asked', () => {
  const facts = (...texts: readonly string[]): ReturnType<typeof lookedAt> =>
    lookedAt(
      texts.map((text) => {
        const parsed = policyToJson(text)
        if (parsed.type === 'failure') throw new Error(text)
        return parsed.json
      }),
    )

  test.for([
    ['what a condition names', 'forbid (principal, action, resource) when { context.reason == "" && principal.tier < 1 } unless { resource.name like "db:*" };', { context: ['reason'], principal: ['tier'], resource: ['name'] }],
    ['what it asks for with has', 'forbid (principal, action, resource) when { context has reason };', { context: ['reason'], principal: [], resource: [] }],
    ['all of the context, when it is taken as a whole', 'forbid (principal, action, resource) when { [context].contains(context) };', { context: undefined, principal: [], resource: [] }],
    ['all, when it is asked of something that was worked out', 'forbid (principal, action, resource) when { (if context.ownerKnown then principal else principal).owner == "x" };', { context: undefined, principal: undefined, resource: undefined }],
  ] as const)('%s', ([, text, { context, principal, resource }]) => {
    const set = (names: readonly string[] | undefined): ReadonlySet<string> | undefined => (names === undefined ? undefined : new Set(names))
    expect(facts(text)).toEqual({ context: set(context), principal: set(principal), resource: set(resource) })
  })

  test('is enough: the answer is the same as with every fact and every policy, for any of them', async () => {
    const set = { ...starterPolicy, odd: 'forbid (principal, action, resource) when { (if context.ownerKnown then principal else principal) == principal && context.depth > 3 };' }
    using engine = await PolicyEngine.load(set)
    preparsePolicySet('whole', { staticPolicies: set })
    const flags = fc.subarray(['wider_after_denial', 'second_use'])
    const request = fc.record({ action: fc.constantFrom('request', 'activate', 'renew', 'step'), depth: fc.nat(5), approvalsGiven: fc.nat(2), held: flags, reason: fc.constantFrom('', 'x'), dataClass: fc.constantFrom('public', 'restricted'), environment: fc.constantFrom('', 'production') })
    fc.assert(
      fc.property(request, ({ action, depth, approvalsGiven, held, reason, dataClass, environment }) => {
        const given = asked({ action, resource: { dataClass, environment }, context: { depth, approvalsGiven, flags: held, reason, ticket: '' } })
        const [question] = questionsOf(given, { principal: undefined, resource: undefined, context: undefined })
        if (question === undefined) throw new Error('there is one')
        const whole = statefulIsAuthorized({ ...question, preparsedPolicySetId: 'whole' })
        if (whole.type === 'failure') throw new Error('Cedar refuses it')
        const { allowed, reasons } = engine.decide(given)
        expect({ allowed, reasons }).toEqual({ allowed: whole.response.decision === 'allow', reasons: whole.response.diagnostics.reason.toSorted() })
      }),
    )
  })
})

describe('what is refused before it is applied', () => {
  test.for([
    [{}, 'the set is empty'],
    [{ 'Bad name': permit.permits }, 'a name has'],
    [{ a: 'permit (principal, action, resource) when { contxt.reason == "" };' }, 'a:'],
    [{ a: 'permit (principal is Mayfly::Workload, action, resource) when { context.raeson == "" };' }, 'raeson'],
    [{ a: 'permit (principal, action, resource);' }, 'permits everyone everything'],
    [{ a: `@approvals("1") ${permit.permits}` }, 'only a forbid'],
    [{ a: '@approvals("ten") forbid (principal, action, resource);' }, '@approvals is'],
    [{ a: `${permit.permits} ${permit.permits}` }, 'a:'],
    [{ a: `permit (principal is Mayfly::Workload, action, resource) when { context.reason == "${'x'.repeat(17_000)}" };` }, 'longer than'],
  ] as const)('%s', async ([set, words]) => {
    await expect(PolicyEngine.load(set)).rejects.toMatchObject({ code: 'POLICY_INVALID', message: expect.stringContaining(words) })
  })

  test('every problem is told at once', async () => {
    await expect(PolicyEngine.load({ a: 'nonsense', b: 'forbid' })).rejects.toThrow(/2 problems: a: .*; b: /)
  })
})

test('the hash depends on every name and text and on nothing else', () => {
  const set = fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 4 })
  fc.assert(
    fc.property(set, set, (one, other) => {
      const same = JSON.stringify(Object.entries(one).toSorted()) === JSON.stringify(Object.entries(other).toSorted())
      expect(policyHash(one) === policyHash(other)).toBe(same)
      expect(policyHash(Object.fromEntries(Object.entries(one).toReversed()))).toBe(policyHash(one))
    }),
  )
})
