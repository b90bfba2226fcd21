import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { parseCases, runCases } from '../../src/policy/cases.ts'
import { PolicyEngine } from '../../src/policy/engine.ts'
import { policySchema } from '../../src/policy/schema.ts'
import { starterPolicy } from '../../src/policy/starter.ts'
import { asked, type Overrides } from './support.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8')
const examples = [...page.matchAll(/\*\*(\d+)\. [^\n]*\n```cedar\n([\s\S]*?)```/g)].map(([, number = '', text = '']) => [Number(number), text] as const)

test('there are ten worked examples, and each is taken', async () => {
  expect(examples.map(([number]) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  using _ = await PolicyEngine.load(Object.fromEntries(examples.map(([number, text]) => [`example-${number}`, text])))
})

describe('each example forbids what it says, and lets the rest pass', () => {
  const weekend = Date.UTC(2026, 0, 10, 12)
  test.for<[number, Overrides, Overrides]>([
    [1, { resource: { environment: 'production' }, context: { ticket: '' } }, { resource: { environment: 'production' } }],
    [2, { action: 'activate', resource: { dataClass: 'restricted' } }, { action: 'activate', resource: { dataClass: 'restricted' }, context: { approvalsGiven: 1 } }],
    [3, { action: 'activate', context: { flags: ['wider_after_expiry'] } }, { action: 'activate' }],
    [4, { action: 'activate', principal: { tier: 'pid' }, resource: { dataClass: 'confidential' } }, { action: 'activate', principal: { tier: 'pid' } }],
    [5, { action: 'step', context: { probesFailed: ['kernel'] } }, { action: 'step' }],
    [6, { resource: { environment: 'production' }, context: { nowMs: weekend } }, { resource: { environment: 'production' }, context: { nowMs: Date.UTC(2026, 0, 6, 9) } }],
    [7, { action: 'activate', context: { actions: ['delete'], approvalsGiven: 2, approvers: ['alice', 'bob'] } }, { action: 'activate', context: { actions: ['delete'], approvalsGiven: 2, approvers: ['alice', 'sec-bo'] } }],
    [8, { context: { depth: 1 } }, { context: { depth: 1, actions: ['read'] } }],
    [9, { action: 'step', context: { secondsSinceActivation: 30, budgetSteps: 10, usedSteps: 6 } }, { action: 'step', context: { secondsSinceActivation: 61, budgetSteps: 10, usedSteps: 6 } }],
    [10, { resource: { system: 'cluster' } }, { resource: { system: 'cluster' }, principal: { selectors: ['unix:user:deploy'] } }],
  ])('example %i', async ([number, denied, allowed]) => {
    using engine = await PolicyEngine.load({ permits: 'permit (principal is Mayfly::Workload, action, resource);', example: examples.find(([known]) => known === number)?.[1] ?? '' })
    expect(engine.decide(asked(denied))).toMatchObject({ allowed: false, reasons: ['example'] })
    expect(engine.decide(asked(allowed))).toMatchObject({ allowed: true })
  })
})

test('the table of cases on the page passes under the starter policy', async () => {
  const text = /```yaml\n(cases:[\s\S]*?)```/.exec(page)?.[1] ?? ''
  using engine = await PolicyEngine.load(starterPolicy)
  expect(runCases(engine, parseCases(parse(text))).filter(({ passed }) => !passed)).toEqual([])
})

test('the page has every fact of the schema', () => {
  const body = policySchema.replaceAll(/\/\/[^\n]*/g, '')
  const facts = [...body.matchAll(/^\s+(\w+): /gm)].map(([, name = '']) => name)
  expect(facts.length).toBeGreaterThan(30)
  expect(facts.filter((name) => !page.includes(`.${name}\``))).toEqual([])
})

test.for([
  [{}, 'cases'],
  [{ cases: [] }, 'one case'],
  [{ cases: [{ action: 'reqest', expect: { allowed: true } }] }, 'action is one of'],
  [{ cases: [{ action: 'request' }] }, 'expect is an object'],
  [{ cases: [{ action: 'request', expect: { allowed: 'yes' } }] }, 'true or false'],
  [{ cases: [{ action: 'request', context: { raeson: 'x' }, expect: { allowed: true } }] }, 'no "raeson"'],
  [{ cases: [{ action: 'request', context: { depth: '1' }, expect: { allowed: true } }] }, 'depth is a number'],
  [{ cases: [{ action: 'request', context: { depth: 1.5 }, expect: { allowed: true } }] }, 'whole number'],
  [{ cases: [{ action: 'request', principal: { tier: 'strong' }, expect: { allowed: true } }] }, 'tier is one of'],
  [{ cases: [{ action: 'request', resource: { dataClass: 'secret' }, expect: { allowed: true } }] }, 'dataClass is one of'],
  [{ cases: [{ action: 'request', context: { now: 'tomorrow' }, expect: { allowed: true } }] }, 'a date'],
] as const)('a table with a mistake is refused: %j', ([content, words]) => {
  expect(() => parseCases(content)).toThrowError(expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringContaining(words) }))
})
