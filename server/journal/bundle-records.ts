import type { FederatedBundle, JwtAuthority } from '../../src/core/federated-bundle.ts'

/** A bundle as the journal holds it. */
export interface JournaledBundle extends Omit<FederatedBundle, 'x509Authorities' | 'jwtAuthorities'> {
  /** Base64 of each DER. */
  readonly x509Authorities: readonly string[]
  readonly jwtAuthorities: readonly (Omit<JwtAuthority, 'publicKey'> & { readonly publicKey: string })[]
}

/** As it was before the journal made text of it. */
export function bundleFromJournal({ x509Authorities, jwtAuthorities, ...rest }: JournaledBundle): FederatedBundle {
  return { ...rest, x509Authorities: x509Authorities.map(decoded), jwtAuthorities: jwtAuthorities.map(({ publicKey, ...key }) => ({ ...key, publicKey: decoded(publicKey) })) }
}

/** Exactly the fields of a bundle, always in this order, so that equal ones are equal text. */
export function bundleForJournal({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }: FederatedBundle): JournaledBundle {
  return {
    trustDomain,
    x509Authorities: x509Authorities.map(encoded),
    jwtAuthorities: jwtAuthorities.map(({ keyId, publicKey, expiresAtSeconds }) => ({ keyId, publicKey: encoded(publicKey), expiresAtSeconds })),
    sequence,
    refreshHintSeconds,
  }
}

function decoded(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function encoded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
