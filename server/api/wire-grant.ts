import type { Decision as WireDecision } from '../../proto/generated/mayfly/v1/Decision.ts'
import type { Grant as WireGrant } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { Decision, Grant } from '../../src/core/grant/grant.ts'

/** A grant as it travels. */
export function grantToWire(grant: Grant): WireGrant {
  const { intent, approvals, flags, decision, roleVersion: _roleVersion, ...rest } = grant
  return {
    ...rest,
    flags: [...flags],
    intent: { ...intent, actions: [...intent.actions], resources: [...intent.resources] },
    approvals: approvals.map((approval) => ({ ...approval })),
    policyHash: decision?.policyHash ?? '',
    ...(decision === undefined ? {} : { decision: decisionToWire(decision) }),
  }
}

export function decisionToWire({ at, allowed, reasons, policyHash, atMs }: Decision): WireDecision {
  return { at, allowed, reasons: [...reasons], policyHash, atMs }
}
