import type { Decision, Grant, GrantCause, GrantState } from '../../src/core/grant/grant.ts'
import type { GrantMove } from '../../src/core/grant/machine.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { CredentialRequest } from './model.ts'

/** A decision with what policy was asked, so that it can be explained and replayed. */
export interface RecordedDecision {
  readonly grantId: string
  readonly decision: Decision
  /** JSON of the PolicyRequest; empty when it was not kept. */
  readonly asked: string
}

/** Moves that are a call of their own: they do more than move. */
type WithACall = 'activated' | 'renewed' | 'leased' | 'child_added' | 'transferred' | 'ending'
export type PlainMove = Exclude<GrantMove, { readonly kind: WithACall }>
export type DecidedMove = Extract<GrantMove, { readonly kind: 'decided' }>

/** A credential for a grant, and the decision that allows it. */
export interface GrantIssue {
  /** Of the grant's own SPIFFE ID, with kind `grant`. */
  readonly credential: CredentialRequest & { readonly kind: 'grant' }
  readonly decision: Decision
  /** JSON of the PolicyRequest. */
  readonly asked: string
  /** The version of the grant that it was decided on. */
  readonly ifVersion: number
}

export interface GrantActivation extends GrantIssue, Pick<Extract<GrantMove, { readonly kind: 'activated' }>, 'instance' | 'binding' | 'tier'> {}

export interface GrantIssued {
  /** 17 bytes. */
  readonly serial: Uint8Array
  readonly grant: Grant
}

export interface GrantEnding {
  readonly cause: GrantCause
  readonly detail: string
  /** As the task reports it; compared with what was expected. */
  readonly outcome?: string
}

export interface GrantFilter {
  readonly role?: string
  readonly owner?: string
  readonly agentId?: SpiffeId
  readonly requester?: string
  /** What one task asked for: this process, when it asked or was bound to it, or below the same grant when there is one. */
  readonly task?: { readonly instance: string; readonly parentId: string }
  readonly states?: readonly GrantState[]
  readonly rootId?: string
  readonly parentId?: string
  /** Of the workload: its grants and all below them. */
  readonly workload?: SpiffeId
  /** Requested at this time or later. */
  readonly sinceMs?: number
  /** Activated, and its deadline at this time or earlier. */
  readonly dueAtMs?: number
}

/** One action inside a grant, as it was decided. */
export interface TakenStep {
  readonly grantId: string
  readonly action: string
  readonly resource: string
  readonly description: string
  readonly allowed: boolean
  readonly reasons: readonly string[]
  /** By the clock of who decided it. */
  readonly atMs: number
  readonly policyHash: string
}

/** A person or team that is answerable. */
export interface Owner {
  readonly name: string
  /** How to reach it, as people read it. */
  readonly contact: string
  readonly removed: boolean
}

/** What it answers for: entries, roles, and grants that are not over. */
export interface OwnerShare extends Owner {
  readonly entries: number
  readonly roles: number
  readonly grants: number
}

/** Somebody who may approve, or administer. */
export interface Person {
  readonly name: string
  /** As in authorized_keys, without a comment: `type base64`. A key belongs to one person. */
  readonly sshKeys: readonly string[]
  /** Owners that the person speaks for. */
  readonly owners: readonly string[]
  readonly roles: readonly string[]
  /** How requests of theirs name them; as of `isRequesterName`. */
  readonly requesters?: readonly string[]
  readonly addedAtMs: number
}

/** A set of policies as it was applied. */
export interface PolicyVersion {
  /** Rises by one. */
  readonly version: number
  /** Cedar text by name. */
  readonly policies: Readonly<Record<string, string>>
  /** SHA-256, hexadecimal; as the policy engine makes it. */
  readonly hash: string
  readonly reason: string
  readonly by: string
  readonly atMs: number
}

/** A control that is waived, or a limit that is raised, for a while and by name. Absent from its review on (invariant 14). */
export interface PolicyException {
  readonly id: string
  /** As denials name it, or `max_ttl`. */
  readonly control: string
  /** Whom it covers: a role, an owner or a SPIFFE ID. */
  readonly scope: string
  readonly owner: string
  readonly reason: string
  readonly approver: string
  readonly createdAtMs: number
  readonly reviewAtMs: number
  /** Seconds, of `max_ttl`. */
  readonly value: number
}

