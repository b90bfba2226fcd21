import { MayflyError } from '../core/errors.ts'
import type { PolicyAction, PolicyContext, PolicyDecider, PolicyDecision, PolicyPerson, PolicyRequest, PolicyResource, PolicyWorkload } from '../core/grant/policy-request.ts'
import { isRecord } from '../core/record.ts'
import { isSpiffeId } from '../core/spiffe-id.ts'

/** One row of a table of cases: what is asked, and what must come out. */
export interface PolicyCase {
  readonly name: string
  readonly request: PolicyRequest
  readonly allowed: boolean
  /** All of them, in any order; unset: whatever they are. */
  readonly reasons: readonly string[] | undefined
}

export interface CaseResult {
  readonly name: string
  readonly passed: boolean
  readonly decision: PolicyDecision
  /** What was expected, in words; empty when it passed. */
  readonly wanted: string
}

/** Runs each case; the order stays. */
export function runCases(decider: PolicyDecider, cases: readonly PolicyCase[]): CaseResult[] {
  return cases.map(({ name, request, allowed, reasons }) => {
    const decision = decider.decide(request)
    const sameReasons = reasons === undefined || JSON.stringify(reasons.toSorted()) === JSON.stringify(decision.reasons)
    const passed = decision.allowed === allowed && sameReasons
    const wanted = passed ? '' : `${allowed ? 'allowed' : 'denied'}${reasons === undefined ? '' : ` by ${reasons.join(', ')}`}`
    return { name, passed, decision, wanted }
  })
}

/**
 * Reads a table of cases: `{"cases": [{name, action, principal?, resource?, context?, expect: {allowed, reasons?}}]}`. Facts that a case does not name are those of an ordinary
 * request (see docs/policy.md). Unknown names are refused: a fact that is misspelt would be tested as if it were not there. @throws {MayflyError} POLICY_INVALID with the case and the name
 */
export function parseCases(content: unknown): PolicyCase[] {
  const list = isRecord(content) && Object.keys(content).every((key) => key === 'cases') ? content['cases'] : undefined
  if (!Array.isArray(list) || list.length === 0) throw invalid('a file of cases is {"cases": [...]} with one case or more')
  return list.map((item: unknown, at) => caseOf(item, at + 1))
}

function caseOf(item: unknown, number: number): PolicyCase {
  const raw = record(item, `case ${number}`, ['name', 'action', 'principal', 'resource', 'context', 'expect'])
  const name = typeof raw['name'] === 'string' && raw['name'] !== '' ? raw['name'] : `case ${number}`
  const action = actions.find((known) => known === raw['action'])
  if (action === undefined) throw invalid(`${name}: action is one of ${actions.join(', ')}`)
  const expected = record(raw['expect'], `${name}, expect`, ['allowed', 'reasons'])
  if (typeof expected['allowed'] !== 'boolean') throw invalid(`${name}: expect.allowed is true or false`)
  const principal = action === 'approve' ? over(ordinaryPerson, raw['principal'], `${name}, principal`) : workload(raw['principal'], `${name}, principal`)
  const resource = over(ordinaryResource, raw['resource'], `${name}, resource`)
  if (!dataClasses.includes(resource.dataClass)) throw invalid(`${name}: resource.dataClass is one of ${dataClasses.join(', ')}`)
  const context = over(ordinaryContext, raw['context'], `${name}, context`)
  const reasons = expected['reasons']
  return { name, request: { action, principal, resources: [resource], context }, allowed: expected['allowed'], reasons: reasons === undefined ? undefined : texts(reasons, `${name}: expect.reasons`) }
}

const actions: readonly PolicyAction[] = ['request', 'activate', 'renew', 'step', 'approve']
const dataClasses: readonly string[] = ['public', 'internal', 'confidential', 'restricted']
const tiers: readonly string[] = ['pid', 'pidfd', 'cgroup']

function workload(given: unknown, where: string): PolicyWorkload {
  const found = over(ordinaryWorkload, given, where)
  if (!isSpiffeId(found.id) || !isSpiffeId(found.agentId)) throw invalid(`${where}: id and agentId are SPIFFE IDs`)
  if (!tiers.includes(found.tier)) throw invalid(`${where}: tier is one of ${tiers.join(', ')}`)
  return found
}

const ordinaryWorkload: PolicyWorkload = {
  kind: 'workload',
  id: 'spiffe://example.org/job' as PolicyWorkload['id'], // both are valid SPIFFE IDs
  agentId: 'spiffe://example.org/spire/agent/join_token/1' as PolicyWorkload['id'],
  selectors: [],
  tier: 'pidfd',
  owner: 'team',
  recentDenials: 0,
  recentExpiries: 0,
}

const ordinaryPerson: PolicyPerson = { kind: 'person', name: 'alice', owners: [], roles: ['approve'] }

const ordinaryResource: PolicyResource = { name: 'db:orders', dataClass: 'internal', system: '', environment: '', tenant: '' }

/** Facts of a request that nothing speaks against: what a case leaves out. */
export const ordinaryContext: PolicyContext = {
  role: 'role',
  owner: 'team',
  ownerKnown: true,
  requester: 'uid:1000',
  actions: ['read'],
  reason: 'a reason',
  ticket: '',
  expectedOutcome: '',
  nowMs: 1_767_607_200_000, // Monday 2026-01-05, 10:00 UTC
  ttlSeconds: 300,
  maxTtlSeconds: 3_600,
  secondsSinceActivation: 0,
  budgetRenewals: 0,
  budgetSteps: 0,
  usedRenewals: 0,
  usedSteps: 0,
  depth: 0,
  approvalsGiven: 0,
  approvalsNeeded: 0,
  approvers: [],
  flags: [],
  probesFailed: [],
  progressSeconds: 0,
  progressSecondsAgo: 0,
  exceptions: [],
}

/** The ordinary facts with those that are given, each of the type that it has; `now` may stand for nowMs, as a date. */
function over<T extends object>(ordinary: T, given: unknown, where: string): T {
  if (given === undefined) return ordinary
  const known = Object.entries(ordinary).filter(([name]) => name !== 'kind')
  const raw = record(given, where, [...known.map(([name]) => name), ...('nowMs' in ordinary ? ['now'] : [])])
  const facts = Object.fromEntries(known.map(([name, usual]) => [name, raw[name] === undefined ? usual : sameType(usual, raw[name], `${where}: ${name}`)]))
  const now = raw['now'] === undefined ? {} : { nowMs: dateOf(raw['now'], `${where}: now`) }
  return { ...ordinary, ...facts, ...now }
}

function sameType(usual: unknown, value: unknown, where: string): unknown {
  if (Array.isArray(usual)) return texts(value, where)
  if (typeof value !== typeof usual) throw invalid(`${where} is a ${typeof usual}`)
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw invalid(`${where} is a whole number`)
  return value
}

function dateOf(value: unknown, where: string): number {
  const at = typeof value === 'string' || value instanceof Date ? new Date(value).getTime() : Number.NaN
  if (Number.isNaN(at)) throw invalid(`${where} is a date, as 2026-01-05T10:00:00Z`)
  return at
}

function texts(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) throw invalid(`${where} is a list of texts`)
  return value
}

function record(value: unknown, where: string, known: readonly string[]): Record<string, unknown> {
  if (!isRecord(value)) throw invalid(`${where} is an object`)
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalid(`${where}: no ${JSON.stringify(unknown.slice(0, 64))}; there are ${known.join(', ')}`)
  return value
}

function invalid(why: string): MayflyError {
  return new MayflyError('POLICY_INVALID', why)
}
