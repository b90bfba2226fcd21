import { createHash } from 'node:crypto'
import { canonicalRequest, type CanonicalRequest } from '../../src/core/grant/canonical.ts'
import type { Intent } from '../../src/core/grant/grant.ts'
import { canonicalIntent } from '../../src/core/grant/intent.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'

/** SHA-256 of the canonical intent, hexadecimal. */
export function intentHashOf(intent: Intent): string {
  return sha256(canonicalIntent(intent))
}

/** SHA-256 of the canonical request, hexadecimal: what approvers sign. */
export function requestHashOf(trustDomain: TrustDomain, request: CanonicalRequest): string {
  return sha256(canonicalRequest(trustDomain, request))
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}
