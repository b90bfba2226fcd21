import type { Bundle, Bundle__Output } from '../../proto/generated/spire/api/types/Bundle.ts'
import type { BundleMask__Output } from '../../proto/generated/spire/api/types/BundleMask.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { FederatedBundle } from '../../src/core/federated-bundle.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { checkFederatedBundle } from '../../src/x509/federated-bundle.ts'
import type { BundlePatch } from '../store/bundle-port.ts'

/** As SPIRE takes it: a name, or a SPIFFE ID of the trust domain. @throws {MayflyError} INVALID_ARGUMENT */
export function foreignTrustDomain(text: string): TrustDomain {
  try {
    return text.startsWith('spiffe://') ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text)
  } catch (cause) {
    throw new MayflyError('INVALID_ARGUMENT', `trust domain argument is not valid: ${cause instanceof Error ? cause.message : 'unknown'}`, { cause })
  }
}

/** What a mask shows; the trust domain always is. */
export function shownBy(mask: BundleMask__Output | null | undefined): (field: keyof BundleMask__Output) => boolean {
  return (field) => mask === null || mask === undefined || mask[field]
}

/** Whether an authority is tainted is its own trust domain's to say: that flag is not kept, nor are keys of WIT. @throws {MayflyError} INVALID_ARGUMENT, CERTIFICATE_INVALID, DER_INVALID, LIMIT_EXCEEDED */
export function bundleFromWire(wire: Bundle__Output): FederatedBundle {
  return checkFederatedBundle({
    trustDomain: foreignTrustDomain(wire.trustDomain),
    x509Authorities: wire.x509Authorities.map(({ asn1 }) => new Uint8Array(asn1)),
    jwtAuthorities: wire.jwtAuthorities.map(({ keyId, publicKey, expiresAt }) => ({ keyId, publicKey: new Uint8Array(publicKey), expiresAtSeconds: expiresAt })),
    sequence: wire.sequenceNumber,
    refreshHintSeconds: wire.refreshHint,
  })
}

/** Of a whole bundle only what the mask names. */
export function patchOf({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }: FederatedBundle, mask: BundleMask__Output | null | undefined): BundlePatch {
  const named = shownBy(mask)
  return {
    trustDomain,
    ...(named('x509Authorities') ? { x509Authorities } : {}),
    ...(named('jwtAuthorities') ? { jwtAuthorities } : {}),
    ...(named('sequenceNumber') ? { sequence } : {}),
    ...(named('refreshHint') ? { refreshHintSeconds } : {}),
  }
}

export function federatedToWire({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }: FederatedBundle, mask?: BundleMask__Output | null): Bundle {
  const shown = shownBy(mask)
  const bytes = (part: Uint8Array): Buffer => Buffer.from(part.buffer, part.byteOffset, part.byteLength)
  return {
    trustDomain,
    ...(shown('x509Authorities') ? { x509Authorities: x509Authorities.map((der) => ({ asn1: bytes(der) })) } : {}),
    ...(shown('jwtAuthorities') ? { jwtAuthorities: jwtAuthorities.map(({ keyId, publicKey, expiresAtSeconds }) => ({ keyId, publicKey: bytes(publicKey), expiresAt: expiresAtSeconds })) } : {}),
    ...(shown('sequenceNumber') ? { sequenceNumber: sequence } : {}),
    ...(shown('refreshHint') ? { refreshHint: refreshHintSeconds } : {}),
  }
}

/** About so many bytes on the wire. */
export function bundleWireSize({ x509Authorities, jwtAuthorities }: FederatedBundle): number {
  return 300 + x509Authorities.reduce((sum, { length }) => sum + length + 10, 0) + jwtAuthorities.reduce((sum, { publicKey, keyId }) => sum + publicKey.length + keyId.length + 20, 0)
}
