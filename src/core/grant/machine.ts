import type { ErrorCode } from '../errors.ts'
import { hasEnded, isOver, type Approval, type BindingKind, type Budget, type Decision, type Grant, type GrantCause, type GrantState } from './grant.ts'
import { approvedUntilMs, deadlineMs, leftForChild, budgetWithin, useByChild } from './limits.ts'
import type { BindingTier } from './policy-request.ts'

/** Everything that can happen to a grant after it was requested. Each is one record of the journal. */
export type GrantMove =
  | Decided
  /** A person signed the request whose hash this is. */
  | { readonly kind: 'approved'; readonly approval: Approval; readonly requestHash: string }
  | { readonly kind: 'denied'; readonly approver: string; readonly reason: string }
  | { readonly kind: 'withdrawn'; readonly approver: string }
  /** Came to nothing: nobody approved or activated it in time, or what it stood on is gone. */
  | { readonly kind: 'lapsed'; readonly cause?: GrantCause; readonly detail: string }
  | Activated
  | { readonly kind: 'renewed'; readonly serial: string; readonly notAfterMs: number; readonly decision: Decision }
  | { readonly kind: 'suspended'; readonly detail: string }
  /** Without a credential: its next renewal makes one. */
  | { readonly kind: 'resumed'; readonly detail: string }
  | { readonly kind: 'leased'; readonly steps: number }
  | { readonly kind: 'child_added'; readonly childId: string; readonly budget: Budget }
  | { readonly kind: 'flagged'; readonly flag: string }
  | { readonly kind: 'transferred'; readonly owner: string }
  | Ending
  /** What it left behind is cleaned up. */
  | { readonly kind: 'ended' }

interface Decided {
  readonly kind: 'decided'
  readonly decision: Decision
  readonly outcome: 'approved' | 'pending' | 'denied'
  /** 0 unless pending. */
  readonly approvalsNeeded: number
}

interface Activated {
  readonly kind: 'activated'
  readonly instance: string
  readonly binding: BindingKind
  readonly tier: BindingTier
  readonly serial: string
  readonly notAfterMs: number
  /** Unset for the root of a tree. */
  readonly parentDeadlineMs?: number
  readonly decision: Decision
}

interface Ending {
  readonly kind: 'ending'
  readonly cause: GrantCause
  readonly detail: string
  readonly outcome?: string
  readonly outcomeAsExpected?: boolean
}

export type Advance =
  | { readonly kind: 'moved'; readonly grant: Grant }
  /** It had ended before, and the first cause stays (invariant 1). */
  | { readonly kind: 'unchanged'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }

/** States in which a move can happen; in others it is refused, or changes nothing. */
const from: { readonly [K in GrantMove['kind']]: readonly GrantState[] } = {
  decided: ['requested'],
  approved: ['pending_approval'],
  denied: ['requested', 'pending_approval'],
  withdrawn: ['pending_approval', 'approved', 'active', 'suspended'],
  lapsed: ['requested', 'pending_approval', 'approved'],
  activated: ['approved'],
  renewed: ['active'],
  suspended: ['active'],
  resumed: ['suspended'],
  leased: ['active'],
  child_added: ['active'],
  flagged: ['requested', 'pending_approval', 'approved', 'active', 'suspended'],
  transferred: ['active', 'suspended'],
  ending: ['approved', 'active', 'suspended'],
  ended: ['ending'],
}

/**
 * The one state machine of grants (design 7), pure: the store decides by it and replays by it. What it cannot know (the parent, the role, the owner, who the approver is,
 * whose key it is) the store checks in the same transaction. A moved grant's version is one higher; it never has more budget, intent or time than before (invariant 11).
 */
export function advance(grant: Grant, move: GrantMove, nowMs: number): Advance {
  if (!from[move.kind].includes(grant.state)) return outOfPlace(grant, move)
  switch (move.kind) {
    case 'decided':
      return decided(grant, move, nowMs)
    case 'approved':
      return approved(grant, move.approval, move.requestHash, nowMs)
    case 'denied':
      return moved(grant, { state: 'denied', detail: move.reason, endedAtMs: nowMs })
    case 'withdrawn':
      return withdrawn(grant, move.approver)
    case 'lapsed':
      return moved(grant, { state: 'lapsed', cause: move.cause ?? '', detail: move.detail, endedAtMs: nowMs })
    case 'activated':
      return activated(grant, move, nowMs)
    case 'renewed':
      return renewed(grant, move, nowMs)
    case 'suspended':
      return moved(grant, { state: 'suspended', detail: move.detail, serial: '', notAfterMs: 0 })
    case 'resumed':
      return nowMs >= grant.deadlineMs ? late(grant) : moved(grant, { state: 'active', detail: move.detail })
    case 'leased':
      return leased(grant, move.steps, nowMs)
    case 'child_added':
      return childAdded(grant, move.budget, nowMs)
    case 'flagged':
      return grant.flags.includes(move.flag) ? { kind: 'unchanged', grant } : moved(grant, { flags: [...grant.flags, move.flag].toSorted() })
    case 'transferred':
      return moved(grant, { owner: move.owner })
    case 'ending':
      return ending(grant, move, nowMs)
    case 'ended':
      return moved(grant, { state: 'ended' })
    default:
      return move satisfies never
  }
}

function decided(grant: Grant, { decision, outcome, approvalsNeeded }: Decided, nowMs: number): Advance {
  if (nowMs >= grant.lapsesAtMs) return refused('GRANT_LAPSED', 'the request has lapsed')
  if (outcome === 'pending' ? !(Number.isInteger(approvalsNeeded) && approvalsNeeded > 0) : approvalsNeeded !== 0) {
    return refused('INVALID_ARGUMENT', 'a request waits for one approval or more, or for none')
  }
  if (outcome === 'approved' && !decision.allowed) return refused('GRANT_DENIED', 'policy denies the request')
  if (outcome === 'denied') return moved(grant, { state: 'denied', detail: decision.reasons.join(', '), endedAtMs: nowMs, decision })
  return moved(grant, { state: outcome === 'pending' ? 'pending_approval' : 'approved', approvalsNeeded, decision })
}

function approved(grant: Grant, approval: Approval, requestHash: string, nowMs: number): Advance {
  if (nowMs >= grant.lapsesAtMs) return refused('GRANT_LAPSED', 'the request has lapsed')
  if (requestHash !== grant.requestHash) return refused('APPROVAL_INVALID', 'the approval is of another request')
  if (approval.withdrawn || approval.expiresAtMs <= nowMs) return refused('APPROVAL_INVALID', 'the approval has expired')
  if (approval.approver === grant.owner || approval.approver === grant.requester) return refused('APPROVAL_INVALID', 'nobody approves a request of their own')
  if (grant.approvals.some((given) => given.approver === approval.approver)) return refused('APPROVAL_INVALID', 'this person has approved the request before')
  const next = { ...grant, approvals: [...grant.approvals, approval] }
  return moved(grant, { approvals: next.approvals, state: approvedUntilMs(next, nowMs) > nowMs ? 'approved' : 'pending_approval' })
}

function withdrawn(grant: Grant, approver: string): Advance {
  const given = grant.approvals.find((approval) => approval.approver === approver && !approval.withdrawn)
  if (given === undefined) return refused('APPROVAL_INVALID', 'this person has not approved the request')
  return moved(grant, { approvals: grant.approvals.map((approval) => (approval === given ? { ...given, withdrawn: true } : approval)) })
}

function activated(grant: Grant, { instance, binding, tier, serial, notAfterMs, parentDeadlineMs, decision }: Activated, nowMs: number): Advance {
  if (nowMs >= grant.lapsesAtMs) return refused('GRANT_LAPSED', 'the request has lapsed')
  if (!decision.allowed) return refused('GRANT_DENIED', 'policy denies the activation')
  if (approvedUntilMs(grant, nowMs) <= nowMs) return refused('GRANT_LAPSED', 'the approvals have expired')
  const deadline = deadlineMs(grant, nowMs, parentDeadlineMs)
  if (deadline <= nowMs) return refused('BUDGET_SPENT', 'there is no time for it')
  if (!isNotAfter(notAfterMs, nowMs, deadline)) return refused('INVALID_ARGUMENT', 'the credential would outlive the grant')
  return moved(grant, { state: 'active', instance, binding, tier, serial, notAfterMs, activatedAtMs: nowMs, deadlineMs: deadline, decision })
}

function renewed(grant: Grant, { serial, notAfterMs, decision }: Extract<GrantMove, { kind: 'renewed' }>, nowMs: number): Advance {
  if (nowMs >= grant.deadlineMs) return late(grant)
  if (!decision.allowed) return refused('GRANT_DENIED', 'policy denies the renewal')
  if (approvedUntilMs(grant, nowMs) <= nowMs) return refused('GRANT_LAPSED', 'the approvals have expired')
  if (!isNotAfter(notAfterMs, nowMs, Math.min(grant.deadlineMs, approvedUntilMs(grant, nowMs)))) return refused('INVALID_ARGUMENT', 'the credential would outlive the grant')
  // the first after a suspension stands in the place of the credential that was taken
  const renewals = grant.used.renewals + (grant.serial === '' ? 0 : 1)
  if (renewals > grant.budget.renewals) return refused('BUDGET_SPENT', `all ${grant.budget.renewals} renewals are used`)
  return moved(grant, { serial, notAfterMs, decision, used: { ...grant.used, renewals } })
}

function leased(grant: Grant, steps: number, nowMs: number): Advance {
  if (nowMs >= grant.deadlineMs) return late(grant)
  if (!Number.isInteger(steps) || steps < 1) return refused('INVALID_ARGUMENT', 'a lease is of one step or more')
  if (grant.used.steps + steps > grant.budget.steps) return refused('BUDGET_SPENT', `${grant.budget.steps - grant.used.steps} of ${grant.budget.steps} steps are left`)
  return moved(grant, { used: { ...grant.used, steps: grant.used.steps + steps } })
}

function childAdded(grant: Grant, child: Budget, nowMs: number): Advance {
  if (nowMs >= grant.deadlineMs) return late(grant)
  const left = leftForChild(grant)
  if (left.children < 0 || left.depth < 0) return refused('BUDGET_SPENT', 'the budget has no room for a child')
  if (!budgetWithin(child, left)) return refused('BUDGET_SPENT', "the child's budget is more than what is left of its parent's")
  return moved(grant, { used: useByChild(grant.used, child) })
}

function ending(grant: Grant, { cause, detail, outcome, outcomeAsExpected }: Ending, nowMs: number): Advance {
  return moved(grant, { state: 'ending', cause, detail, outcome: outcome ?? '', outcomeAsExpected: outcomeAsExpected ?? false, endedAtMs: nowMs, serial: '', notAfterMs: 0 })
}

function outOfPlace(grant: Grant, move: GrantMove): Advance {
  const ends = move.kind === 'ending' || move.kind === 'ended' || move.kind === 'lapsed'
  if (ends && (hasEnded(grant.state) || (move.kind === 'ended' && isOver(grant.state)))) return { kind: 'unchanged', grant }
  if (move.kind === 'denied' && grant.state === 'denied') return { kind: 'unchanged', grant }
  if (grant.state === 'denied') return refused('GRANT_DENIED', 'the request was denied')
  if (grant.state === 'lapsed') return refused('GRANT_LAPSED', 'the request has lapsed')
  if (hasEnded(grant.state)) return refused('GRANT_ENDED', `the grant has ended${grant.cause === '' ? '' : `: ${grant.cause}`}`)
  return refused('GRANT_STATE', `a grant that is ${grant.state} cannot be ${move.kind}`)
}

function late(grant: Grant): Advance {
  return refused('GRANT_ENDED', `its time was over at ${new Date(grant.deadlineMs).toISOString()}`)
}

/** A credential ends in whole seconds, later than now and within the grant. */
function isNotAfter(notAfterMs: number, nowMs: number, latestMs: number): boolean {
  return Number.isInteger(notAfterMs) && notAfterMs % 1_000 === 0 && notAfterMs > nowMs && notAfterMs <= latestMs
}

function moved(grant: Grant, change: Partial<Grant>): Advance {
  return { kind: 'moved', grant: { ...grant, ...change, version: grant.version + 1 } }
}

function refused(code: ErrorCode, message: string): Advance {
  return { kind: 'refused', code, message }
}
