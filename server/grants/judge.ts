import type { Decision, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type { BindingTier, PolicyAction, PolicyDecider, PolicyDecision, PolicyRequest } from '../../src/core/grant/policy-request.ts'
import { nothingWaived, waiversOf } from '../policy/exceptions.ts'
import type { Directory } from './directory.ts'
import { questionOf } from './facts.ts'
import type { AttestedFacts, StepFacts } from './facts.ts'
import type { History } from './history.ts'
import type { GrantStore } from '../store/grant-port.ts'

/** What policy said, as it is recorded, and what it was asked. */
export interface Judgement {
  readonly decision: Decision
  /** JSON of the PolicyRequest. */
  readonly asked: string
  /** How many people could lift the denial; 0: nobody could. */
  readonly approvalsWanted: number
  /** Whether a control is waived for this grant by an exception. */
  readonly waived: boolean
  readonly maxTtlSeconds: number
  /** Until when it holds: what stands on an exception ends with its review (invariant 14). Infinity for what would be allowed without any. */
  readonly standsUntilMs: number
}

export interface JudgeDeps {
  readonly store: { readonly grants: GrantStore }
  readonly directory: Directory
  /** The policy in force. @throws {MayflyError} POLICY_INVALID */
  readonly decider: () => Promise<PolicyDecider>
}

type Unhashed = Omit<Grant, 'intentHash' | 'requestHash'>
type Outcomes = Pick<History, 'denials' | 'expiries'>

/** Most grants whose attested facts are kept in memory; of others they are read from the record. */
const maxKept = 50_000
const noOutcomes: Outcomes = { denials: 0, expiries: 0 }

/** Asks the policy about grants, with all facts that are known at that moment. */
export class Judge {
  readonly #deps: JudgeDeps
  readonly #attested = new Map<string, AttestedFacts>()

  constructor(deps: JudgeDeps) {
    this.#deps = deps
  }

  /** Asks the policy in force, or another that is proposed. */
  async judge(
    action: Exclude<PolicyAction, 'approve'>,
    subject: { readonly grant: Unhashed; readonly role: GrantRole; readonly attested: AttestedFacts; readonly outcomes?: Outcomes; readonly step?: StepFacts },
    nowMs: number,
    options: { readonly at?: Decision['at']; readonly decider?: PolicyDecider } = {},
  ): Promise<Judgement> {
    const { directory, decider: inForce } = this.#deps
    const { grant, role, attested, outcomes = noOutcomes, step } = subject
    const [ownerKnown, exceptions, decider] = await Promise.all([directory.isOwner(grant.owner), directory.exceptions(), options.decider ?? inForce()])
    const waivers = waiversOf(exceptions, { role: role.name, owner: grant.owner, spiffeId: role.spiffeId }, nowMs)
    const known = { ownerKnown, recentDenials: outcomes.denials, recentExpiries: outcomes.expiries, waivers, nowMs }
    const question = questionOf(action, grant, role, attested, known, step)
    const answer = decider.decide(question)
    const needsException = answer.allowed && Number.isFinite(waivers.untilMs) && !decider.decide(questionOf(action, grant, role, attested, { ...known, waivers: nothingWaived }, step)).allowed
    const asked = JSON.stringify(question)
    const decision = decisionOf(answer, options.at ?? action, nowMs)
    return { decision, asked, approvalsWanted: answer.approvalsWanted, waived: waivers.controls.length > 0, maxTtlSeconds: question.context.maxTtlSeconds, standsUntilMs: needsException ? waivers.untilMs : Number.POSITIVE_INFINITY }
  }

  /** Remembers what was attested of a running grant. */
  keep(id: string, attested: AttestedFacts): void {
    this.#attested.delete(id)
    if (this.#attested.size >= maxKept) for (const oldest of this.#attested.keys()) { this.#attested.delete(oldest); break }
    this.#attested.set(id, attested)
  }

  forget(id: string): void {
    this.#attested.delete(id)
  }

  /** What was attested of a grant when it was last activated or renewed; after a restart from the record. */
  async lastAttested(grant: Grant): Promise<AttestedFacts> {
    const kept = this.#attested.get(grant.id)
    if (kept !== undefined) return kept
    const recorded = await this.#deps.store.grants.decisions(grant.id)
    const tier: BindingTier = grant.tier === '' ? 'pid' : grant.tier
    for (const { asked } of recorded.toReversed()) {
      const selectors = selectorsIn(asked)
      if (selectors !== undefined) return { selectors, tier, probes: [], progressSecondsAgo: 0 }
    }
    return { selectors: [], tier, probes: [], progressSecondsAgo: 0 }
  }
}

function decisionOf({ allowed, reasons, policyHash }: PolicyDecision, at: Decision['at'], atMs: number): Decision {
  return { at, allowed, reasons, policyHash, atMs }
}

function selectorsIn(asked: string): readonly string[] | undefined {
  if (asked === '') return undefined
  const { principal } = JSON.parse(asked) as Partial<PolicyRequest> // written by this class
  return principal?.kind === 'workload' ? principal.selectors : undefined
}
