import { wholeSeconds, type Validity } from '../../src/core/validity.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Random } from '../../src/ports/random.ts'
import { authoritySpec, type CertificateSpec } from '../../src/x509/certificate-spec.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'
import type { Profiles } from './profiles.ts'

export interface CertifyAuthorityDeps {
  readonly trustDomain: TrustDomain
  readonly profiles: Profiles
  readonly random: Random
  /** Builds and signs certificates, slowly: `SlowPath`. */
  readonly slowPath: { certify(spec: CertificateSpec, signer: PrivateKey): Promise<Uint8Array> }
}

const serialLength = 16

/** A self-signed authority of this key, from `nowMs` on. @param lifeMs down to seconds */
export async function selfSigned(key: PrivateKey, nowMs: number, lifeMs: number, deps: CertifyAuthorityDeps): Promise<{ readonly certificate: Uint8Array } & Validity> {
  const { trustDomain, profiles, slowPath } = deps
  const validity = { notBeforeMs: wholeSeconds(nowMs - profiles.authority.backdateMs), notAfterMs: wholeSeconds(nowMs + lifeMs) }
  const certificate = await slowPath.certify(authoritySpec(profiles.authority, { trustDomain, spki: key.spki, serial: authoritySerial(deps), validity }), key)
  return { certificate, ...validity }
}

/** A certificate for another authority's key, by an older one: for peers that know only that (decision 12). It ends with the first of the two. */
export async function voucherFor(spki: Uint8Array, notAfterMs: number, by: { readonly certificate: Certificate; readonly key: PrivateKey }, nowMs: number, deps: CertifyAuthorityDeps): Promise<Uint8Array> {
  const { trustDomain, profiles, slowPath } = deps
  const validity = { notBeforeMs: wholeSeconds(nowMs - profiles.authority.backdateMs), notAfterMs: Math.min(notAfterMs, by.certificate.notAfterMs) }
  const spec = authoritySpec(profiles.authority, { trustDomain, spki, serial: authoritySerial(deps), validity })
  return slowPath.certify({ ...spec, issuer: by.certificate.subject, authorityKeyId: by.certificate.extensions.subjectKeyId }, by.key)
}

function authoritySerial({ random }: CertifyAuthorityDeps): Uint8Array {
  const serial = random.bytes(serialLength)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40 // positive, and of full length
  return serial
}
