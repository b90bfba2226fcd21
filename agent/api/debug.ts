import { X509Certificate } from 'node:crypto'
import type { GetInfoResponse } from '../../proto/generated/spire/agent/debug/v1/GetInfoResponse.ts'
import { isSpiffeId, pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { StatusSources } from './status.ts'

/** What SPIRE's Debug says of an agent. The last sync is the last moment at which the server is known to have had nothing newer to say. */
export function debugInfo({ connection, trust, svids, relay }: StatusSources, nowMs: number, uptimeMs: number): GetInfoResponse {
  const held = svids.held().length
  const ageMs = relay.reader.freshness()?.ageMs
  const lastSyncMs = ageMs === undefined ? (connection.connectedSinceMs ?? 0) : nowMs - ageMs
  return {
    svidChain: chainOf(connection.svid.chain, trust.bundle.x509Authorities).map(certOf),
    uptime: Math.floor(uptimeMs / 1_000),
    svidsCount: held,
    cachedX509SvidsCount: held,
    cachedJwtSvidsCount: 0,
    cachedSvidstoreX509SvidsCount: 0,
    lastSyncSuccess: Math.floor(lastSyncMs / 1_000),
  }
}

/** With the authority of the bundle that the last certificate names, as SPIRE shows a verified chain. */
function chainOf(chain: readonly Uint8Array[], authorities: readonly Uint8Array[]): readonly X509Certificate[] {
  const certificates = chain.map((der) => new X509Certificate(der))
  const last = certificates.at(-1)
  const issuer = last === undefined ? undefined : authorities.map((der) => new X509Certificate(der)).find((authority) => last.checkIssued(authority))
  return issuer === undefined ? certificates : [...certificates, issuer]
}

function certOf(certificate: X509Certificate): NonNullable<GetInfoResponse['svidChain']>[number] {
  const { extensions, notAfterMs } = parseCertificate(certificate.raw)
  const [uri = ''] = extensions.subjectAltName?.uris ?? []
  // `node:crypto` has a line for each part, the first first; Go's text, which SPIRE shows, has them the other way round.
  const subject = (certificate.subject ?? '').split('\n').toReversed().join(',')
  return { ...(isSpiffeId(uri) ? { id: { trustDomain: trustDomainOf(uri), path: pathOf(uri) } } : {}), expiresAt: Math.floor(notAfterMs / 1_000), subject }
}
