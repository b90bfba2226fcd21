import { canonicalRequest, type CanonicalRequest } from '../grant/canonical.ts'
import { linesOf } from '../grant/intent.ts'
import type { TrustDomain } from '../spiffe-id.ts'

/** The namespace that people's signatures are made in (`ssh-keygen -Y sign -n`): a signature for anything else is none here. */
export const approvalNamespace = 'approval@mayfly'

/** What a person may say of a request: approve it, deny it, or withdraw an approval given before. */
export type ApprovalVerb = 'approve' | 'deny' | 'withdraw'

/**
 * The words that a person signs over a request: the verb and the request itself, as `canonicalRequest` shows it, so that whoever reads before signing has read all
 * that counts. The trust domain, the grant's ID and the time it lapses are lines of it: the words are good for one request alone.
 */
export function requestStatement(verb: ApprovalVerb, trustDomain: TrustDomain, request: CanonicalRequest): string {
  return `mayfly ${verb} 1\n\n${canonicalRequest(trustDomain, request)}`
}

/** One step of a running grant that waits for a person. */
export interface StepToApprove {
  /** Made anew for each step that waits; 26 characters as a grant's. */
  readonly id: string
  readonly action: string
  readonly resource: string
  readonly description: string
  readonly lapsesAtMs: number
}

/** The words that a person signs over one step: they name the step, and then the request whose grant it is. */
export function stepStatement(verb: Exclude<ApprovalVerb, 'withdraw'>, trustDomain: TrustDomain, request: CanonicalRequest, step: StepToApprove): string {
  const { id, action, resource, description, lapsesAtMs } = step
  const lines = linesOf({ step: id, action, resource, description, step_lapses_at_ms: lapsesAtMs })
  return `mayfly ${verb} step 1\n\n${lines}\n${canonicalRequest(trustDomain, request)}`
}

/** What an exception waives or raises, for whom and until when. */
export interface ExceptionToApprove {
  readonly control: string
  readonly scope: string
  readonly owner: string
  readonly reason: string
  readonly reviewAtMs: number
  readonly value: number
}

/** The words that the approver of an exception signs: all of it but who signs. */
export function exceptionStatement(trustDomain: TrustDomain, { control, scope, owner, reason, reviewAtMs, value }: ExceptionToApprove): string {
  return `mayfly exception 1\n\n${linesOf({ trust_domain: trustDomain, control, scope, owner, reason, review_at_ms: reviewAtMs, value })}`
}

/** Until when an approval given to a request stands: as long as it may wait, and then as long as its budget is. */
export function approvalExpiryMs({ lapsesAtMs, budget }: Pick<CanonicalRequest, 'lapsesAtMs' | 'budget'>): number {
  return lapsesAtMs + budget.seconds * 1_000
}
