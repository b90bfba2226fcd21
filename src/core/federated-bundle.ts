import { equalBytes } from './bytes.ts'
import type { TrustDomain } from './spiffe-id.ts'

/** What is known of another trust domain: the authorities by which its identities are verified, and no others (TDB-02). */
export interface FederatedBundle {
  readonly trustDomain: TrustDomain
  /** DER certificates, each once. Empty: nothing of that trust domain is trusted (TDB-09). */
  readonly x509Authorities: readonly Uint8Array[]
  /** Kept and shown: nothing here verifies tokens of others. */
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** As its publisher counts; beyond 2^53 rounded. 0 when it does not. */
  readonly sequence: number
  /** How often its publisher wants to be asked; 0 when it does not say. */
  readonly refreshHintSeconds: number
}

export interface JwtAuthority {
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** Seconds since the epoch; 0: never. */
  readonly expiresAtSeconds: number
}

/** Bounds of what is kept: an agent hands the bundles of an entry out in one message. */
export const federationLimits: { readonly bundles: number; readonly authorities: number; readonly keyIdLength: number; readonly certificateBytes: number; readonly bundleBytes: number } = {
  bundles: 1_000,
  authorities: 256,
  keyIdLength: 255,
  certificateBytes: 16_384,
  bundleBytes: 131_072,
}

/** Whether both say the same, in the same order. */
export function isSameBundle(one: FederatedBundle, other: FederatedBundle): boolean {
  return (
    one.trustDomain === other.trustDomain &&
    one.sequence === other.sequence &&
    one.refreshHintSeconds === other.refreshHintSeconds &&
    one.x509Authorities.length === other.x509Authorities.length &&
    one.x509Authorities.every((der, at) => isSame(der, other.x509Authorities[at])) &&
    one.jwtAuthorities.length === other.jwtAuthorities.length &&
    one.jwtAuthorities.every((key, at) => isSameKey(key, other.jwtAuthorities[at]))
  )
}

function isSameKey(one: JwtAuthority, other: JwtAuthority | undefined): boolean {
  return one.keyId === other?.keyId && one.expiresAtSeconds === other.expiresAtSeconds && equalBytes(one.publicKey, other.publicKey)
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && equalBytes(one, other)
}
