import type { AllowedIntent as WireAllowedIntent, AllowedIntent__Output } from '../../proto/generated/mayfly/v1/AllowedIntent.ts'
import type { Budget__Output } from '../../proto/generated/mayfly/v1/Budget.ts'
import type { Decision as WireDecision } from '../../proto/generated/mayfly/v1/Decision.ts'
import type { Grant as WireGrant } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantRole as WireRole, GrantRole__Output } from '../../proto/generated/mayfly/v1/GrantRole.ts'
import type { Intent__Output } from '../../proto/generated/mayfly/v1/Intent.ts'
import type { ProbeResult__Output } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import type { StepTerms } from '../../proto/generated/mayfly/v1/StepTerms.ts'
import type { TakenStep as WireStep } from '../../proto/generated/mayfly/v1/TakenStep.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { AllowedIntent, Budget, Decision, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type { RawIntent } from '../../src/core/grant/intent.ts'
import type { BindingTier, DataClass } from '../../src/core/grant/policy-request.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { Approvals } from '../approvals/approvals.ts'
import type { Probe } from '../grants/facts.ts'
import type { StepTermsNow } from '../grants/step-terms.ts'
import type { TakenStep } from '../store/grant-model.ts'

/** A grant as it travels. */
export function grantToWire(grant: Grant): WireGrant {
  const { intent, approvals, flags, decision, ...rest } = grant
  return {
    ...rest,
    flags: [...flags],
    intent: { ...intent, actions: [...intent.actions], resources: [...intent.resources] },
    approvals: approvals.map((approval) => ({ ...approval })),
    policyHash: decision?.policyHash ?? '',
    ...(decision === undefined ? {} : { decision: decisionToWire(decision) }),
  }
}

/** A grant as its agent is told of it: one that waits for people, with the names of those who may still approve it. */
export async function grantForAgent(grant: Grant, approvals: Pick<Approvals, 'mayApprove'>, nowMs: number): Promise<WireGrant> {
  const mayApprove = grant.state === 'pending_approval' ? await approvals.mayApprove(grant, nowMs) : []
  return { ...grantToWire(grant), mayApprove: [...mayApprove] }
}

export function decisionToWire({ at, allowed, reasons, policyHash, atMs }: Decision): WireDecision {
  return { at, allowed, reasons: [...reasons], policyHash, atMs }
}

/** As a task declared it, unchecked. @throws {MayflyError} INTENT_INVALID when there is none */
export function intentFromWire(wire: Intent__Output | null): RawIntent {
  if (wire === null) throw new MayflyError('INTENT_INVALID', 'a request says what it is for', { hint: 'name actions and resources' })
  const { actions, resources, workspace, expectedOutcome, reason, ticket } = wire
  return { actions, resources, ...(workspace === null ? {} : { workspace }), expectedOutcome, reason, ticket }
}

/** Unset: none of it. */
export function budgetFromWire(wire: Budget__Output | null): Budget {
  const { seconds = 0, renewals = 0, steps = 0, children = 0, depth = 0 } = wire ?? {}
  return { seconds, renewals, steps, children, depth }
}

/** @throws {MayflyError} INVALID_ARGUMENT */
export function tierFromWire(text: string): BindingTier {
  const tier = tiers.find((one) => one === text)
  if (tier === undefined) throw new MayflyError('INVALID_ARGUMENT', `a binding tier is one of ${tiers.join(', ')}`)
  return tier
}

export function probesFromWire(wire: readonly ProbeResult__Output[]): readonly Probe[] {
  return wire.slice(0, maxProbes).map(({ name, ok }) => ({ name, ok }))
}

export function roleToWire(role: GrantRole): WireRole {
  const { requesters, intents, approvers, confirmActions, approveActions, probes, ...rest } = role
  return {
    ...rest,
    requesters: requesters.map(({ parentId, selectors }) => ({ parentId, selectors: [...selectors] })),
    intents: intents.map(allowedToWire),
    approvers: [...approvers],
    confirmActions: [...confirmActions],
    approveActions: [...approveActions],
    probes: [...probes],
  }
}

/** Whether its terms make sense the store decides. @throws {MayflyError} INVALID_ARGUMENT, INTENT_INVALID, SPIFFE_ID_INVALID */
export function roleFromWire(wire: GrantRole__Output | null): Omit<GrantRole, 'version'> {
  if (wire === null) throw new MayflyError('INVALID_ARGUMENT', 'the role is missing')
  const { version: _version, spiffeId, requesters, intents, budget, minTier, ...rest } = wire
  return {
    ...rest,
    spiffeId: parseSpiffeId(spiffeId),
    requesters: requesters.map(({ parentId, selectors }) => ({ parentId: parseSpiffeId(parentId), selectors })),
    intents: intents.map(allowedFromWire),
    budget: budgetFromWire(budget),
    minTier: minTier === '' ? 'pid' : tierFromWire(minTier),
  }
}

/** What the agent decides steps by. */
export function termsToWire({ role, waived, maxTtlSeconds }: StepTermsNow): StepTerms {
  return {
    intents: (role?.intents ?? []).map(allowedToWire),
    confirmActions: [...(role?.confirmActions ?? [])],
    approveActions: [...(role?.approveActions ?? [])],
    leasedSteps: 0,
    probes: [...(role?.probes ?? [])],
    waived,
    progressSeconds: role?.progressSeconds ?? 0,
    maxTtlSeconds,
  }
}

export function stepToWire({ reasons, ...step }: TakenStep): WireStep {
  return { ...step, reasons: [...reasons] }
}

const tiers: readonly BindingTier[] = ['pid', 'pidfd', 'cgroup']
const dataClasses: readonly DataClass[] = ['public', 'internal', 'confidential', 'restricted']
const maxProbes = 100

function allowedToWire({ actions, resources, dataClass, workspace }: AllowedIntent): WireAllowedIntent {
  return { actions: [...actions], resources: [...resources], dataClass, workspace }
}

function allowedFromWire({ actions, resources, dataClass, workspace }: AllowedIntent__Output): AllowedIntent {
  const known = dataClasses.find((one) => one === dataClass)
  if (known === undefined) throw new MayflyError('INTENT_INVALID', `a data class is one of ${dataClasses.join(', ')}`)
  return { actions, resources, dataClass: known, workspace: workspace ?? { system: '', environment: '', tenant: '' } }
}
