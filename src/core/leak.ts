import { concatBytes } from './bytes.ts'
import type { TrustDomain } from './spiffe-id.ts'

const context = new TextEncoder().encode('mayfly leaked key 1\0')
const zero = Uint8Array.of(0)

/**
 * The words by which a key says that it has leaked, to be signed with it: bound to one trust domain and to this one key, and good for nothing else.
 * @param publicKeyHash SHA-256 of its SubjectPublicKeyInfo, 32 bytes
 */
export function leakStatement(trustDomain: TrustDomain, publicKeyHash: Uint8Array): Uint8Array {
  return concatBytes(context, new TextEncoder().encode(trustDomain), zero, publicKeyHash)
}
