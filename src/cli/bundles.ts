import type { Bundle, Bundle__Output } from '../../proto/generated/spire/api/types/Bundle.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../core/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { FederatedBundle } from '../core/federated-bundle.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { timeText } from './when.ts'

/** A name, or a SPIFFE ID of the trust domain, as SPIRE's command takes it too. @throws {MayflyError} SPIFFE_ID_INVALID */
export function trustDomainArgument(text: string): TrustDomain {
  return text.startsWith('spiffe://') ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text)
}

/** @throws {MayflyError} SPIFFE_ID_INVALID */
export function bundleFromWire(wire: Bundle__Output): FederatedBundle {
  return { ...uncheckedBundle(wire), trustDomain: parseTrustDomain(wire.trustDomain) }
}

/** As somebody else's server has it: nobody has looked at the name, nor at what the bundle holds. */
export function uncheckedBundle({ trustDomain, x509Authorities, jwtAuthorities, sequenceNumber, refreshHint }: Bundle__Output): Omit<FederatedBundle, 'trustDomain'> & { readonly trustDomain: string } {
  return {
    trustDomain,
    x509Authorities: x509Authorities.map(({ asn1 }) => asn1),
    jwtAuthorities: jwtAuthorities.map(({ keyId, publicKey, expiresAt }) => ({ keyId, publicKey, expiresAtSeconds: expiresAt })),
    sequence: sequenceNumber,
    refreshHintSeconds: refreshHint,
  }
}

export function bundleToWire({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }: FederatedBundle): Bundle {
  return {
    trustDomain,
    x509Authorities: x509Authorities.map((der) => ({ asn1: Buffer.from(der) })),
    jwtAuthorities: jwtAuthorities.map(({ keyId, publicKey, expiresAtSeconds }) => ({ keyId, publicKey: Buffer.from(publicKey), expiresAt: expiresAtSeconds })),
    sequenceNumber: sequence,
    refreshHint: refreshHintSeconds,
  }
}

/** All that the server has of other trust domains, in the order of their names. */
export async function federatedBundles(server: RpcChannel, signal: AbortSignal): Promise<readonly FederatedBundle[]> {
  const bundles: FederatedBundle[] = []
  let pageToken = ''
  do {
    const page = await server.unary('spire.api.server.bundle.v1.Bundle', 'ListFederatedBundles', { pageSize: 100, pageToken }, { signal })
    for (const bundle of page.bundles) bundles.push(bundleFromWire(bundle))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return bundles
}

/** When the last of its authorities ends; empty when it has none. */
export function lastEnd({ x509Authorities }: FederatedBundle): string {
  return x509Authorities.length === 0 ? '' : timeText(Math.max(...x509Authorities.map((der) => parseCertificate(der).notAfterMs)))
}
