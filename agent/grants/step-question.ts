import type { AllowedIntent__Output } from '../../proto/generated/mayfly/v1/AllowedIntent.ts'
import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import type { StepRequest__Output } from '../../proto/generated/mayfly/v1/StepRequest.ts'
import type { StepTerms__Output } from '../../proto/generated/mayfly/v1/StepTerms.ts'
import type { AllowedIntent, Workspace } from '../../src/core/grant/grant.ts'
import { allowsStep, dataClassOf } from '../../src/core/grant/intent.ts'
import type { DataClass, PolicyRequest } from '../../src/core/grant/policy-request.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { BindingTier } from '../attest/binding.ts'

/** What the agent knows itself about the task that takes a step. */
export interface StepFacts {
  readonly grant: Grant__Output
  /** Of the bound process, as type:value. */
  readonly selectors: readonly string[]
  readonly tier: BindingTier
  readonly secondsSinceActivation: number
  readonly progressSecondsAgo: number
}

/** A step as policy is asked; `undefined` when the role does not allow it, as it is by now. An owner that is removed ends the grant, so one that lives has one. */
export function stepQuestion(request: StepRequest__Output, facts: StepFacts, terms: StepTerms__Output, probes: readonly ProbeResult[], nowMs: number): PolicyRequest | undefined {
  const { grant } = facts
  const workspace = workspaceOf(grant.intent?.workspace)
  const allowed = terms.intents.flatMap(allowedIntentOf)
  const dataClass = dataClassOf(allowed, request.resource, workspace)
  if (dataClass === undefined || !allowsStep(allowed, request.action, request.resource, workspace)) return undefined
  const given = grant.approvals.filter(({ withdrawn, expiresAtMs }) => !withdrawn && expiresAtMs > nowMs)
  return {
    action: 'step',
    principal: {
      kind: 'workload',
      id: parseSpiffeId(grant.spiffeId),
      agentId: parseSpiffeId(grant.agentId),
      selectors: facts.selectors,
      tier: facts.tier,
      owner: grant.owner,
      recentDenials: 0,
      recentExpiries: 0,
    },
    resources: [{ name: request.resource, dataClass, ...workspace }],
    context: {
      role: grant.role,
      owner: grant.owner,
      ownerKnown: grant.owner !== '',
      requester: grant.requester,
      actions: [request.action],
      reason: grant.intent?.reason ?? '',
      ticket: grant.intent?.ticket ?? '',
      expectedOutcome: grant.intent?.expectedOutcome ?? '',
      nowMs,
      ttlSeconds: grant.ttlSeconds,
      maxTtlSeconds: terms.maxTtlSeconds,
      secondsSinceActivation: facts.secondsSinceActivation,
      budgetRenewals: grant.budget?.renewals ?? 0,
      budgetSteps: grant.budget?.steps ?? 0,
      usedRenewals: grant.used?.renewals ?? 0,
      usedSteps: grant.used?.steps ?? 0,
      depth: grant.depth,
      approvalsGiven: given.length,
      approvalsNeeded: grant.approvalsNeeded,
      approvers: given.map(({ approver }) => approver),
      flags: grant.flags,
      probesFailed: probes.filter(({ name, ok }) => ok !== true && terms.probes.includes(name ?? '')).map(({ name }) => name ?? ''),
      progressSeconds: terms.progressSeconds,
      progressSecondsAgo: facts.progressSecondsAgo,
      exceptions: [],
    },
  }
}

function allowedIntentOf({ actions, resources, dataClass, workspace }: AllowedIntent__Output): AllowedIntent[] {
  return isDataClass(dataClass) ? [{ actions, resources, dataClass, workspace: workspaceOf(workspace) }] : []
}

function workspaceOf(wire: Partial<Workspace> | null | undefined): Workspace {
  return { system: wire?.system ?? '', environment: wire?.environment ?? '', tenant: wire?.tenant ?? '' }
}

function isDataClass(text: string): text is DataClass {
  return ['public', 'internal', 'confidential', 'restricted'].includes(text)
}
