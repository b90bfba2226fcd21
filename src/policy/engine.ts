import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { MayflyError } from '../core/errors.ts'
import type { PolicyAction, PolicyDecider, PolicyDecision, PolicyRequest } from '../core/grant/policy-request.ts'
import { problemsOf, type Cedar } from './cedar.ts'
import { policyHash, type PolicySet } from './policy-set.ts'
import { questionsOf, type Question } from './questions.ts'
import { isAbout, lookedAt, type LookedAt } from './relevance.ts'
import { waivableBy } from './waivable.ts'

/** Decisions that are remembered, the oldest going first: a task takes the same few steps again and again. */
const mostRemembered = 32

const actions: readonly PolicyAction[] = ['request', 'activate', 'renew', 'step', 'approve']

/** The policies that can say something about one action. */
interface Part {
  /** Under which Cedar keeps them. */
  readonly name: string
  readonly facts: LookedAt
}

/** A set of policies, parsed and checked against the schema once, then asked for as long as it lives. */
export class PolicyEngine implements PolicyDecider, Disposable {
  readonly hash: string
  /** Names of what an exception can waive; `undefined`: this policy does not say. */
  readonly waivable: ReadonlySet<string> | undefined
  readonly #cedar: Cedar
  readonly #parts: Readonly<Record<PolicyAction, Part>>
  /** Of each policy that people may lift: how many of them. */
  readonly #approvals: ReadonlyMap<string, number>
  /** By all that these policies look at, as text: a decision is of that alone, and the set never changes. */
  readonly #decided = new Map<string, PolicyDecision>()

  /** @throws {MayflyError} POLICY_INVALID with every problem, a line each */
  static async load(set: PolicySet): Promise<PolicyEngine> {
    const { loadCedar } = await import('./cedar.ts')
    const cedar = await loadCedar()
    const problems = problemsOf(cedar, set)
    if (problems.length > 0) throw new MayflyError('POLICY_INVALID', `the policy has ${problems.length} problem${problems.length === 1 ? '' : 's'}: ${problems.join('; ')}`, { hint: 'mayfly policy check shows them one by one' })
    return new PolicyEngine(cedar, set)
  }

  private constructor(cedar: Cedar, set: PolicySet) {
    this.hash = policyHash(set)
    this.#cedar = cedar
    const parsed = new Map(Object.entries(set).map(([name, text]) => [name, parse(cedar, text)]))
    this.waivable = waivableBy([...parsed.values()])
    const number = ++loaded
    const part = (action: PolicyAction): Part => {
      const about = [...parsed].filter(([, policy]) => isAbout(policy, action))
      const name = `policy-${number}-${action}`
      must(cedar.preparsePolicySet(name, { staticPolicies: Object.fromEntries(about.map(([policy]) => [policy, set[policy] ?? ''])) }))
      return { name, facts: lookedAt(about.map(([, policy]) => policy)) }
    }
    this.#parts = { request: part('request'), activate: part('activate'), renew: part('renew'), step: part('step'), approve: part('approve') }
    this.#approvals = new Map([...parsed].flatMap(([name, policy]): [string, number][] => approvalsOf(name, policy)))
  }

  /** Asks for each resource; one that is denied denies all. Never throws. Cedar is not asked what it has just answered on the same facts. */
  decide(request: PolicyRequest): PolicyDecision {
    const { name, facts } = this.#parts[request.action]
    const questions = questionsOf(request, facts)
    const key = JSON.stringify([name, questions])
    const known = this.#decided.get(key)
    if (known !== undefined) return known
    const decision = this.#ask(name, questions)
    if (decision.reasons.some((reason) => reason.startsWith(errorMark))) return decision
    const [oldest] = this.#decided.keys()
    if (this.#decided.size >= mostRemembered && oldest !== undefined) this.#decided.delete(oldest)
    this.#decided.set(key, decision)
    return decision
  }

  #ask(part: string, questions: readonly Question[]): PolicyDecision {
    const denials = new Set<string>()
    const permits = new Set<string>()
    if (questions.length === 0) denials.add('no-resource')
    for (const question of questions) this.#askOne(part, question, denials, permits)
    if (denials.size === 0) return { allowed: true, reasons: [...permits].toSorted(), policyHash: this.hash, approvalsWanted: 0 }
    const wanted = [...denials].map((name) => this.#approvals.get(name) ?? 0)
    return { allowed: false, reasons: [...denials].toSorted(), policyHash: this.hash, approvalsWanted: wanted.includes(0) ? 0 : Math.max(...wanted) }
  }

  /** Gives the parsed set back: Cedar keeps it under its name otherwise. */
  [Symbol.dispose](): void {
    this.#decided.clear()
    for (const action of actions) this.#cedar.preparsePolicySet(this.#parts[action].name, { staticPolicies: {} })
  }

  #askOne(part: string, question: Question, denials: Set<string>, permits: Set<string>): void {
    const failed = (what: string): void => void denials.add(`${errorMark}${what}`)
    try {
      // the policies were checked against the schema and the question is of its shape: checking it again would double the time
      const answer = this.#cedar.statefulIsAuthorized({ ...question, validateRequest: false, preparsedPolicySetId: part })
      if (answer.type === 'failure') return failed('request')
      const { decision, diagnostics } = answer.response
      // a forbid whose condition fails does not forbid, as Cedar has it: here it does
      for (const { policyId } of diagnostics.errors) failed(policyId)
      const into = decision === 'allow' ? permits : denials
      for (const name of diagnostics.reason) into.add(name)
      if (decision === 'deny' && diagnostics.reason.length === 0 && diagnostics.errors.length === 0) denials.add('no-permit')
    } catch {
      failed('engine')
    }
  }
}

/** Begins the name of a denial that is no control's: it says nothing of the next time. */
const errorMark = 'policy-error:'

let loaded = 0

function must(answer: { type: 'success' } | { type: 'failure'; errors: readonly { message: string }[] }): void {
  if (answer.type === 'failure') throw new MayflyError('POLICY_INVALID', answer.errors.map(({ message }) => message).join('; '))
}

function parse(cedar: Cedar, text: string): PolicyJson {
  const parsed = cedar.policyToJson(text)
  if (parsed.type === 'failure') throw new MayflyError('POLICY_INVALID', parsed.errors.map(({ message }) => message).join('; '))
  return parsed.json
}

function approvalsOf(name: string, { annotations }: PolicyJson): [string, number][] {
  const wanted = Number(annotations?.['approvals'] ?? 0)
  return Number.isInteger(wanted) && wanted > 0 ? [[name, wanted]] : []
}
