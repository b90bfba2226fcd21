import type { SpiffeId } from '../spiffe-id.ts'

/** What is decided by policy, and when: design 7. */
export type PolicyAction = 'request' | 'activate' | 'renew' | 'step' | 'approve'

export type DataClass = 'public' | 'internal' | 'confidential' | 'restricted'

export type BindingTier = 'pid' | 'pidfd' | 'cgroup'

/** The task that asks: attested facts, never what it says of itself. */
export interface PolicyWorkload {
  readonly kind: 'workload'
  readonly id: SpiffeId
  readonly agentId: SpiffeId
  /** As type:value. */
  readonly selectors: readonly string[]
  readonly tier: BindingTier
  readonly owner: string
  /** Grants of the same instance that were denied or ended by time within the last hour. */
  readonly recentDenials: number
  readonly recentExpiries: number
}

/** The registered person who approves. */
export interface PolicyPerson {
  readonly kind: 'person'
  readonly name: string
  /** Owners that the person speaks for. */
  readonly owners: readonly string[]
  readonly roles: readonly string[]
}

/** One resource of the intent; its data class and its place come from the role, never from the caller. */
export interface PolicyResource {
  readonly name: string
  readonly dataClass: DataClass
  readonly system: string
  readonly environment: string
  readonly tenant: string
}

/** Everything else that is known when it is decided. Texts are empty and numbers 0 where there is nothing to say. */
export interface PolicyContext {
  readonly role: string
  readonly owner: string
  /** Whether the owner exists and answers. */
  readonly ownerKnown: boolean
  readonly requester: string
  /** Of the intent; of a step, its one action. */
  readonly actions: readonly string[]
  readonly reason: string
  readonly ticket: string
  readonly expectedOutcome: string
  /** By the server's clock; of a step at an agent, by its own. */
  readonly nowMs: number
  readonly ttlSeconds: number
  /** Of the role, or of an exception that raises it. */
  readonly maxTtlSeconds: number
  readonly secondsSinceActivation: number
  readonly budgetRenewals: number
  readonly budgetSteps: number
  readonly usedRenewals: number
  readonly usedSteps: number
  /** 0 for the root of a tree. */
  readonly depth: number
  readonly approvalsGiven: number
  readonly approvalsNeeded: number
  readonly approvers: readonly string[]
  /** As `wider_after_denial`. */
  readonly flags: readonly string[]
  readonly probesFailed: readonly string[]
  /** The role demands a sign of progress within this time for a renewal; 0: it does not. */
  readonly progressSeconds: number
  readonly progressSecondsAgo: number
  /** Controls that a running exception waives for this grant. */
  readonly exceptions: readonly string[]
}

/** One question to the policy. It is asked for each resource, and allowed when each is. */
export interface PolicyRequest {
  readonly action: PolicyAction
  readonly principal: PolicyWorkload | PolicyPerson
  /** At least one. */
  readonly resources: readonly PolicyResource[]
  readonly context: PolicyContext
}

export interface PolicyDecision {
  readonly allowed: boolean
  /** Denied: the controls that forbid, `no-permit` when none permits, `policy-error:<name>` when one failed. Allowed: the permits. Sorted. */
  readonly reasons: readonly string[]
  /** SHA-256 of the policy, hexadecimal. */
  readonly policyHash: string
  /**
   * Denied, and each control that denies is annotated `@approvals("n")`: approvals by n people would change the answer. 0 otherwise. When a request or its
   * activation is denied so, the request waits for people.
   */
  readonly approvalsWanted: number
}

/** A policy that can be asked: synchronous, without side effects; an error of any kind is a denial. */
export interface PolicyDecider {
  readonly hash: string
  decide(request: PolicyRequest): PolicyDecision
}
