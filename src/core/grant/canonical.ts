import type { TrustDomain } from '../spiffe-id.ts'
import type { Grant } from './grant.ts'
import { intentLines, linesOf } from './intent.ts'

/** What a request says that its approvers answer for. */
export type CanonicalRequest = Pick<
  Grant,
  'id' | 'spiffeId' | 'role' | 'roleVersion' | 'parentId' | 'agentId' | 'requester' | 'instance' | 'owner' | 'intent' | 'budget' | 'ttlSeconds' | 'lapsesAtMs'
>

/**
 * The text whose SHA-256 (UTF-8) is the hash of a request, and what people are shown before they sign it: a heading and one line of JSON for each field.
 * Any change of a field is another text, so that an approval of the one is none of the other (invariant 9).
 */
export function canonicalRequest(trustDomain: TrustDomain, request: CanonicalRequest): string {
  const { id, spiffeId, role, roleVersion, parentId, agentId, requester, instance, owner, budget, ttlSeconds, lapsesAtMs } = request
  const who = linesOf({ trust_domain: trustDomain, grant: id, spiffe_id: spiffeId, role, role_version: roleVersion, parent: parentId, agent: agentId, requester, instance, owner })
  const terms = linesOf({
    seconds: budget.seconds,
    renewals: budget.renewals,
    steps: budget.steps,
    children: budget.children,
    depth: budget.depth,
    ttl_seconds: ttlSeconds,
    lapses_at_ms: lapsesAtMs,
  })
  return `mayfly grant request 1\n${who}${intentLines(request.intent)}${terms}`
}
