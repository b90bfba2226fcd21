import { X509Certificate } from 'node:crypto'
import { isSpiffeId } from '../core/spiffe-id.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import { parseCertificate } from './certificate.ts'

/** A certificate as SPIRE's debug calls show it. */
export interface ShownCertificate {
  readonly id: SpiffeId | undefined
  /** Seconds since the epoch. */
  readonly expiresAtSeconds: number
  /** As Go writes it: `CN=…,O=…`. */
  readonly subject: string
}

/** A chain, DER, leaf first, with the authority of the bundle that its last certificate names: as SPIRE shows a verified chain. Nothing is verified here. */
export function shownChain(chain: readonly Uint8Array[], authorities: readonly Uint8Array[]): readonly ShownCertificate[] {
  const certificates = chain.map((der) => new X509Certificate(der))
  const last = certificates.at(-1)
  const issuer = last === undefined ? undefined : authorities.map((der) => new X509Certificate(der)).find((authority) => last.checkIssued(authority))
  return (issuer === undefined ? certificates : [...certificates, issuer]).map(shown)
}

function shown(certificate: X509Certificate): ShownCertificate {
  const { extensions, notAfterMs } = parseCertificate(certificate.raw)
  const [uri = ''] = extensions.subjectAltName?.uris ?? []
  // `node:crypto` has a line for each part, the first first; Go's text has them the other way round
  const subject = (certificate.subject ?? '').split('\n').toReversed().join(',')
  return { id: isSpiffeId(uri) ? uri : undefined, expiresAtSeconds: Math.floor(notAfterMs / 1_000), subject }
}
