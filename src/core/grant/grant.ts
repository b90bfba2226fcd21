import type { SpiffeId } from '../spiffe-id.ts'
import type { BindingTier, DataClass } from './policy-request.ts'

/** Where a grant stands (design 7). `denied`, `lapsed` and `ended` are terminal; `ending` has no access any more and waits for what is to be cleaned up. */
export type GrantState = 'requested' | 'denied' | 'pending_approval' | 'approved' | 'lapsed' | 'active' | 'suspended' | 'ending' | 'ended'

/** Why it ended. */
export type GrantCause =
  | 'completed'
  | 'failed'
  | 'timeout'
  | 'budget'
  | 'process_exit'
  | 'container_restart'
  | 'posture'
  | 'leak'
  | 'parent_ended'
  | 'owner_removed'
  | 'policy_change'
  | 'approval_withdrawn'
  | 'orphan'
  | 'operator'

/** The part of the world that a task says it works in. What it does not name is denied, not open. */
export interface Workspace {
  readonly system: string
  readonly environment: string
  readonly tenant: string
}

/** What a task declares before it begins: every action on every resource, in one workspace. Made by `parseIntent` alone: each list sorted, without repeats. */
export interface Intent {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  readonly workspace: Workspace
  /** What will be true when it has worked. */
  readonly expectedOutcome: string
  readonly reason: string
  readonly ticket: string
}

/** The most that a grant may use. 0: none of it. */
export interface Budget {
  /** From activation on, also while suspended. */
  readonly seconds: number
  readonly renewals: number
  readonly steps: number
  /** Of the whole tree below it. */
  readonly children: number
  /** Of the tree below it. */
  readonly depth: number
}

/** What is used of it, or given away to children: that never comes back. Time is used by passing, depth by being below. */
export interface BudgetUse {
  readonly renewals: number
  /** Taken, or leased to the agent: a lost block is spent. */
  readonly steps: number
  readonly children: number
}

/** A person's signature over the hash of a request. */
export interface Approval {
  readonly approver: string
  readonly atMs: number
  /** Nothing issued on it is valid for longer. */
  readonly expiresAtMs: number
  /** OpenSSH signature (SSHSIG), armoured. */
  readonly signature: string
  readonly withdrawn: boolean
}

/** What policy said, when, and which control. */
export interface Decision {
  readonly at: 'request' | 'activate' | 'renew' | 'step' | 'reevaluate'
  readonly allowed: boolean
  readonly reasons: readonly string[]
  /** SHA-256, hexadecimal. */
  readonly policyHash: string
  readonly atMs: number
}

export type BindingKind = 'process' | 'cgroup' | 'container'

/** Access for one task. Times in ms since the epoch; texts empty and times 0 while there is nothing to say. */
export interface Grant {
  /** As of `grantIdOf`. */
  readonly id: string
  readonly spiffeId: SpiffeId
  readonly role: string
  /** Of the role as it was requested under. */
  readonly roleVersion: number
  /** Empty for the root of a tree. */
  readonly parentId: string
  readonly rootId: string
  /** 0 for the root. */
  readonly depth: number
  readonly agentId: SpiffeId
  /** Who asks: `uid:1000 on spiffe://…/spire/agent/…`. */
  readonly requester: string
  /** The asking process, as the agent names it; from activation on the bound one. */
  readonly instance: string
  readonly owner: string
  readonly intent: Intent
  /** SHA-256 of the canonical intent and of the canonical request, hexadecimal. The latter is what approvers sign. */
  readonly intentHash: string
  readonly requestHash: string
  readonly budget: Budget
  readonly used: BudgetUse
  /** Longest life of one credential. */
  readonly ttlSeconds: number
  readonly binding: BindingKind | ''
  readonly tier: BindingTier | ''
  readonly state: GrantState
  readonly cause: GrantCause | ''
  readonly detail: string
  readonly requestedAtMs: number
  /** Until when an approval or the activation may still come. */
  readonly lapsesAtMs: number
  readonly activatedAtMs: number
  /** 0 until activated; nothing of it is valid after. */
  readonly deadlineMs: number
  /** When it lost its access, or came to nothing. */
  readonly endedAtMs: number
  /** Of the one live credential, 34 hexadecimal digits; empty while suspended and after the end. */
  readonly serial: string
  readonly notAfterMs: number
  readonly approvalsNeeded: number
  readonly approvals: readonly Approval[]
  /** Facts that policy and people should see, as `wider_after_denial`; sorted, each once. */
  readonly flags: readonly string[]
  /** As reported at the end, and whether that is what was expected. */
  readonly outcome: string
  readonly outcomeAsExpected: boolean
  /** The latest that moved it. */
  readonly decision?: Decision
  /** Rises by one with each move. */
  readonly version: number
}

/** What may be declared: every action on every resource, in this workspace. */
export interface AllowedIntent {
  readonly actions: readonly string[]
  /** Exact names, or `db:*` for all of a kind. */
  readonly resources: readonly string[]
  /** Of what these resources hold. */
  readonly dataClass: DataClass
  readonly workspace: Workspace
}

/** A process may ask when it runs under this parent (an agent, or an alias of several) and has all these selectors, as type:value. */
export interface GrantRequester {
  readonly parentId: SpiffeId
  readonly selectors: readonly string[]
}

/** What grants may be asked for, by whom and on which terms. */
export interface GrantRole {
  readonly name: string
  /** Of the workload: its grants are `<spiffeId>/task/<id>`. */
  readonly spiffeId: SpiffeId
  readonly owner: string
  readonly requesters: readonly GrantRequester[]
  readonly intents: readonly AllowedIntent[]
  readonly budget: Budget
  /** Of one credential. */
  readonly credentialTtlSeconds: number
  /** How long a request waits for approvals and its activation. */
  readonly approvalTtlSeconds: number
  readonly approvals: number
  /** Names of people who may approve; empty: everyone registered. */
  readonly approvers: readonly string[]
  readonly minTier: BindingTier
  /** Renewal wants a sign of progress within this time; 0: it does not. */
  readonly progressSeconds: number
  readonly endOnSecondUse: boolean
  readonly confirmActions: readonly string[]
  readonly approveActions: readonly string[]
  readonly probes: readonly string[]
  /** A process that runs inside of another grant may ask for it too, for a grant that is none of that one's children; absent: it may not. */
  readonly fromInside?: boolean
  /** Rises by one with each change, also over a deletion. */
  readonly version: number
}

/** Whether nothing can happen to it any more. */
export function isOver(state: GrantState): boolean {
  return state === 'denied' || state === 'lapsed' || state === 'ended'
}

/** Whether it has no access and will have none: terminal, or ending. */
export function hasEnded(state: GrantState): boolean {
  return isOver(state) || state === 'ending'
}

export const noUse: BudgetUse = Object.freeze({ renewals: 0, steps: 0, children: 0 })
