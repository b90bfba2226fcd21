import { MayflyError } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id.ts'
import { noUse, type Budget, type Grant, type GrantRole, type Intent } from './grant.ts'
import { maxDepth, subIdOf, taskIdOf } from './grant-id.ts'
import { coverage, isWithin } from './intent.ts'
import { budgetWithin, isBudget, leastBudget, leftForChild } from './limits.ts'

/** What the agent attested and the task declared. */
export interface GrantWish {
  readonly id: string
  readonly agentId: SpiffeId
  readonly requester: string
  readonly instance: string
  readonly intent: Intent
  /** Wished for; what comes of it is never more than the role's, and what the parent has left. 0 or unset: as much as there is, and none of it for a child. */
  readonly budget?: Partial<Budget> | undefined
  /** Of one credential; 0: as the role has it. */
  readonly ttlSeconds: number
  readonly flags: readonly string[]
  readonly requestedAtMs: number
}

/** The grant that a wish comes to, in the state `requested`; its hashes are still to be set by who has a SHA-256. @throws as {@link checkRequest} */
export function requestedGrant(role: GrantRole, parent: Grant | undefined, wish: GrantWish): Omit<Grant, 'intentHash' | 'requestHash'> {
  const { id, agentId, requester, instance, intent, flags, requestedAtMs } = wish
  const grant: Omit<Grant, 'intentHash' | 'requestHash'> = {
    id,
    spiffeId: parent === undefined ? taskIdOf(role.spiffeId, id) : subIdOf(parent.spiffeId, id),
    role: role.name,
    roleVersion: role.version,
    parentId: parent?.id ?? '',
    rootId: parent?.rootId ?? id,
    depth: parent === undefined ? 0 : parent.depth + 1,
    agentId,
    requester,
    instance,
    owner: role.owner,
    intent,
    budget: grantedBudget(role, parent, wish.budget ?? {}),
    used: noUse,
    ttlSeconds: wish.ttlSeconds === 0 ? role.credentialTtlSeconds : Math.min(wish.ttlSeconds, role.credentialTtlSeconds),
    binding: '',
    tier: '',
    state: 'requested',
    cause: '',
    detail: '',
    requestedAtMs,
    lapsesAtMs: requestedAtMs + role.approvalTtlSeconds * 1_000,
    activatedAtMs: 0,
    deadlineMs: 0,
    endedAtMs: 0,
    serial: '',
    notAfterMs: 0,
    approvalsNeeded: 0,
    approvals: [],
    flags: [...new Set(flags)].toSorted(),
    outcome: '',
    outcomeAsExpected: false,
    version: 1,
  }
  checkRequest(grant, role, parent)
  return grant
}

/**
 * Holds a request against its role and its parent: the intent within both, the budget within both, not too deep (invariant 6).
 * @throws {MayflyError} INTENT_OUTSIDE_ROLE, BUDGET_SPENT, INVALID_ARGUMENT
 */
export function checkRequest(grant: Omit<Grant, 'intentHash' | 'requestHash'>, role: GrantRole, parent: Grant | undefined): void {
  const covered = coverage(role.intents, grant.intent)
  if (covered.kind === 'outside') throw outside(`the role ${role.name} does not allow ${covered.action} on ${covered.resource} in this workspace`, role.name)
  if (parent !== undefined && !isWithin(grant.intent, parent.intent)) throw outside('the intent reaches beyond that of the parent', role.name)
  if (!isBudget(grant.budget) || grant.budget.seconds < 1) throw new MayflyError('INVALID_ARGUMENT', 'a budget is of whole numbers, and of a second or more')
  if (!budgetWithin(grant.budget, role.budget)) throw new MayflyError('BUDGET_SPENT', `the budget is more than the role ${role.name} allows`)
  if (grant.depth > maxDepth || (parent !== undefined && !budgetWithin(grant.budget, leftForChild(parent)))) {
    throw new MayflyError('BUDGET_SPENT', "the budget is more than what is left of the parent's", { hint: 'the parent can ask for more children, steps or renewals when it is requested' })
  }
  if (!Number.isInteger(grant.ttlSeconds) || grant.ttlSeconds < 1 || grant.ttlSeconds > role.credentialTtlSeconds) throw new MayflyError('INVALID_ARGUMENT', 'the life of a credential is more than the role allows')
}

/** Whether a later request reaches further than an earlier one of the same process: another workspace, another action or resource, or more of any budget. */
export function isWider(later: Pick<Grant, 'intent' | 'budget'>, earlier: Pick<Grant, 'intent' | 'budget'>): boolean {
  return !isWithin(later.intent, earlier.intent) || !budgetWithin(later.budget, earlier.budget)
}

function grantedBudget(role: GrantRole, parent: Grant | undefined, wish: Partial<Budget>): Budget {
  if (Object.values(wish).some((amount) => !Number.isInteger(amount) || amount < 0)) throw new MayflyError('INVALID_ARGUMENT', 'a budget is of whole numbers, and of none below 0')
  if (parent === undefined) return leastBudget(role.budget, { ...role.budget, ...named(wish) })
  // of what children share nothing is given unasked
  return leastBudget(role.budget, { seconds: parent.budget.seconds, renewals: 0, steps: 0, children: 0, depth: 0, ...named(wish) })
}

/** Only what is more than nothing. */
function named(wish: Partial<Budget>): Partial<Budget> {
  return Object.fromEntries(Object.entries(wish).filter(([, amount]) => amount > 0))
}

function outside(message: string, role: string): MayflyError {
  return new MayflyError('INTENT_OUTSIDE_ROLE', message, { hint: `mayfly role show ${role} says what may be asked for` })
}
