import type { Certificate } from '../../src/x509/certificate.ts'
import type { SigningKey } from '../../src/x509/signing-key.ts'

/** An authority with its key. */
export interface KeyedAuthority {
  /** SHA-256 of its public key, hexadecimal. */
  readonly id: string
  readonly certificate: Certificate
  readonly key: SigningKey
}

/** The authority that signs now. */
export interface ActiveAuthority extends KeyedAuthority {
  /** What goes with each leaf, leaf's issuer first, up to the bundle: empty when the authority itself is there. DER. */
  readonly chain: readonly Uint8Array[]
  /** Of an intermediate: what the bundle holds in its stead. DER. */
  readonly roots: readonly Uint8Array[]
}
