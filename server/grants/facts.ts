import type { Grant, GrantRole } from '../../src/core/grant/grant.ts'
import { dataClassOf } from '../../src/core/grant/intent.ts'
import { standingApprovals } from '../../src/core/grant/limits.ts'
import type { BindingTier, PolicyAction, PolicyRequest, PolicyResource } from '../../src/core/grant/policy-request.ts'
import type { Waivers } from '../policy/exceptions.ts'

/** A probe of the agent, as it came out last. */
export interface Probe {
  readonly name: string
  readonly ok: boolean
}

/** What the agent attests of the process that asks or is bound, at this moment. */
export interface AttestedFacts {
  /** As type:value. */
  readonly selectors: readonly string[]
  readonly tier: BindingTier
  readonly probes: readonly Probe[]
  /** How long ago the task last showed that it gets on; 0 when it is not asked. */
  readonly progressSecondsAgo: number
}

/** What the server itself knows beside the grant and its role. */
export interface ServerFacts {
  readonly ownerKnown: boolean
  /** Of the same process within the last hour. */
  readonly recentDenials: number
  readonly recentExpiries: number
  readonly waivers: Waivers
  readonly nowMs: number
}

/** One action on one resource. */
export interface StepFacts {
  readonly action: string
  readonly resource: string
}

/** A credential of a grant lives no longer than an ordinary SVID unless an exception says why; the profile sets the utmost. */
const usualMaxTtlSeconds = 900

/** What policy is asked of a grant. Data class and place of each resource are the role's, never the caller's. */
export function questionOf(action: PolicyAction, grant: Omit<Grant, 'intentHash' | 'requestHash'>, role: GrantRole, attested: AttestedFacts, known: ServerFacts, step?: StepFacts): PolicyRequest {
  const { intent, budget, used } = grant
  const approvals = standingApprovals(grant.approvals, known.nowMs)
  return {
    action,
    principal: {
      kind: 'workload',
      id: grant.spiffeId,
      agentId: grant.agentId,
      selectors: attested.selectors,
      tier: attested.tier,
      owner: grant.owner,
      recentDenials: known.recentDenials,
      recentExpiries: known.recentExpiries,
    },
    resources: (step === undefined ? intent.resources : [step.resource]).map((name) => resourceOf(name, grant, role)),
    context: {
      role: role.name,
      owner: grant.owner,
      ownerKnown: known.ownerKnown,
      requester: grant.requester,
      actions: step === undefined ? intent.actions : [step.action],
      reason: intent.reason,
      ticket: intent.ticket,
      expectedOutcome: intent.expectedOutcome,
      nowMs: known.nowMs,
      ttlSeconds: grant.ttlSeconds,
      maxTtlSeconds: maxTtlSecondsOf(known.waivers),
      secondsSinceActivation: grant.activatedAtMs === 0 ? 0 : Math.max(0, Math.floor((known.nowMs - grant.activatedAtMs) / 1_000)),
      budgetRenewals: budget.renewals,
      budgetSteps: budget.steps,
      usedRenewals: used.renewals,
      usedSteps: used.steps,
      depth: grant.depth,
      approvalsGiven: approvals.length,
      approvalsNeeded: grant.approvalsNeeded,
      approvers: approvals.map(({ approver }) => approver),
      flags: grant.flags,
      probesFailed: failedProbes(role, attested.probes),
      progressSeconds: role.progressSeconds,
      progressSecondsAgo: attested.progressSecondsAgo,
      exceptions: known.waivers.controls,
    },
  }
}

/** The longest life of one credential. */
export function maxTtlSecondsOf(waivers: Waivers): number {
  return Math.max(usualMaxTtlSeconds, waivers.maxTtlSeconds)
}

/** Names of the role's probes that do not hold: one that the agent does not have holds no more than one that failed. */
export function failedProbes({ probes: wanted }: Pick<GrantRole, 'probes'>, probes: readonly Probe[]): readonly string[] {
  const held = new Set(probes.filter(({ ok }) => ok).map(({ name }) => name))
  return wanted.filter((name) => !held.has(name))
}

function resourceOf(name: string, { intent: { workspace } }: Pick<Grant, 'intent'>, role: GrantRole): PolicyResource {
  // what a role that changed no longer names is judged as the most sensitive there is; the store refuses it in any case
  return { name, dataClass: dataClassOf(role.intents, name, workspace) ?? 'restricted', ...workspace }
}
