import { wholeSeconds } from '../validity.ts'
import type { Approval, Budget, BudgetUse, Grant } from './grant.ts'

/** Bounds of a budget, whatever a role says. */
export const maxBudget: Budget = Object.freeze({ seconds: 30 * 86_400, renewals: 100_000, steps: 10_000_000, children: 1_000, depth: 6 })

/** Each dimension a whole number from 0 to its bound. */
export function isBudget(budget: Budget): boolean {
  return dimensions.every((dimension) => Number.isInteger(budget[dimension]) && budget[dimension] >= 0 && budget[dimension] <= maxBudget[dimension])
}

/** Whether none of its dimensions is more. */
export function budgetWithin(budget: Budget, outer: Budget): boolean {
  return dimensions.every((dimension) => budget[dimension] <= outer[dimension])
}

/** What a wish comes to under a role's budget, and under what a parent has left: never more than either. */
export function leastBudget(...budgets: readonly Budget[]): Budget {
  const least = (dimension: keyof Budget): number => Math.min(...budgets.map((budget) => budget[dimension]))
  return { seconds: least('seconds'), renewals: least('renewals'), steps: least('steps'), children: least('children'), depth: least('depth') }
}

/**
 * What a grant has left to use or to give to a child (invariants 4 and 6). Of its children one is the child itself; of depth one level is.
 * Time is not given away: both use the same hours, and a child's deadline is its parent's at the latest.
 */
export function leftForChild({ budget, used }: Pick<Grant, 'budget' | 'used'>): Budget {
  return {
    seconds: budget.seconds,
    renewals: budget.renewals - used.renewals,
    steps: budget.steps - used.steps,
    children: budget.children - used.children - 1,
    depth: budget.depth - 1,
  }
}

/** What the parent has used once a child has this budget: it never comes back. */
export function useByChild(used: BudgetUse, child: Budget): BudgetUse {
  return { renewals: used.renewals + child.renewals, steps: used.steps + child.steps, children: used.children + child.children + 1 }
}

/** Approvals that stand: not withdrawn, not expired. */
export function standingApprovals(approvals: readonly Approval[], nowMs: number): readonly Approval[] {
  return approvals.filter((approval) => !approval.withdrawn && approval.expiresAtMs > nowMs)
}

/** Until when as many approvals as are needed stand; Infinity when none are needed, 0 when there are too few now. */
export function approvedUntilMs({ approvals, approvalsNeeded }: Pick<Grant, 'approvals' | 'approvalsNeeded'>, nowMs: number): number {
  if (approvalsNeeded === 0) return Number.POSITIVE_INFINITY
  const ends = standingApprovals(approvals, nowMs)
    .map((approval) => approval.expiresAtMs)
    .toSorted((left, right) => right - left)
  return ends[approvalsNeeded - 1] ?? 0
}

/** When an activation now must end: the budget's time, never past the parent's deadline or the approvals (invariant 3). Whole seconds. */
export function deadlineMs(grant: Pick<Grant, 'budget' | 'approvals' | 'approvalsNeeded'>, nowMs: number, parentDeadlineMs: number | undefined): number {
  return wholeSeconds(Math.min(nowMs + grant.budget.seconds * 1_000, parentDeadlineMs ?? Number.POSITIVE_INFINITY, approvedUntilMs(grant, nowMs)))
}

export interface CredentialLimits {
  readonly deadlineMs: number
  /** Unset for the root of a tree. */
  readonly parentDeadlineMs?: number | undefined
  /** As of {@link approvedUntilMs}. */
  readonly approvedUntilMs: number
  readonly authorityNotAfterMs: number
  /** The least of the grant's, the role's and the profile's. */
  readonly ttlSeconds: number
}

/** Latest notAfter of a credential issued now (invariant 3), whole seconds. At or before `nowMs`: none can be issued. */
export function latestNotAfterMs(limits: CredentialLimits, nowMs: number): number {
  return wholeSeconds(
    Math.min(limits.deadlineMs, limits.parentDeadlineMs ?? Number.POSITIVE_INFINITY, limits.approvedUntilMs, limits.authorityNotAfterMs, nowMs + limits.ttlSeconds * 1_000),
  )
}

const dimensions: readonly (keyof Budget)[] = ['seconds', 'renewals', 'steps', 'children', 'depth']

/** Selectors of one process, as its agent tells the server when a grant is asked for. */
export const maxAttestedSelectors = 200
