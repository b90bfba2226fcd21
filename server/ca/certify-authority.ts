import { MayflyError } from '../../src/core/errors.ts'
import { wholeSeconds, type Validity } from '../../src/core/validity.ts'
import { trustDomainId, type TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Random } from '../../src/ports/random.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import { svidExtKeyUsages, validatePath } from '../../src/verify/path.ts'
import { authoritySpec, type CertificateSpec } from '../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import type { SigningKey } from '../../src/x509/signing-key.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../src/x509/template.ts'
import type { AuthorityUpstream } from '../store/port.ts'
import type { KeyedAuthority } from './active-authority.ts'
import type { Profiles } from './profiles.ts'
import type { Upstream } from './upstream/upstream.ts'

export interface CertifyAuthorityDeps {
  readonly trustDomain: TrustDomain
  readonly profiles: Profiles
  readonly random: Random
  /** Builds and signs certificates, slowly: `SlowPath`. */
  readonly slowPath: { certify(spec: CertificateSpec, signer: SigningKey): Promise<Uint8Array> }
}

/** An authority's certificate, and what it hangs on when that is not itself. */
export interface CertifiedAuthority extends Validity {
  readonly certificate: Uint8Array
  readonly upstream?: AuthorityUpstream
}

const serialLength = 16

/** An authority of this key, from `nowMs` on: self-signed, or below the upstream one, whose end it does not outlive. @param lifeMs down to seconds. @throws {MayflyError} UPSTREAM_INVALID when no verifier would take what it signs */
export async function certifyAuthority(key: SigningKey, nowMs: number, lifeMs: number, upstream: Upstream | undefined, deps: CertifyAuthorityDeps): Promise<CertifiedAuthority> {
  const { trustDomain, profiles, slowPath } = deps
  const wanted = { notBeforeMs: wholeSeconds(nowMs - profiles.authority.backdateMs), notAfterMs: wholeSeconds(nowMs + lifeMs) }
  if (upstream === undefined) return { certificate: await slowPath.certify(authoritySpec(profiles.authority, { trustDomain, spki: key.spki, serial: authoritySerial(deps), validity: wanted }), key), ...wanted }
  const { certificate: above, chain, roots } = upstream
  const validity = { notBeforeMs: Math.max(wanted.notBeforeMs, above.notBeforeMs), notAfterMs: Math.min(wanted.notAfterMs, above.notAfterMs) }
  const spec = authoritySpec(profiles.authority, { trustDomain, spki: key.spki, serial: authoritySerial(deps), validity })
  const certificate = await slowPath.certify({ ...spec, issuer: above.subject, authorityKeyId: above.extensions.subjectKeyId }, upstream.key)
  await checkChain(certificate, key, upstream, nowMs, deps)
  return { certificate, ...validity, upstream: { chain, roots } }
}

/** A certificate for another authority's key, by an older one: for peers that know only that (decision 12). It ends with the first of the two. */
export async function voucherFor(spki: Uint8Array, notAfterMs: number, by: Omit<KeyedAuthority, 'id'>, nowMs: number, deps: CertifyAuthorityDeps): Promise<Uint8Array> {
  const { trustDomain, profiles, slowPath } = deps
  const validity = { notBeforeMs: wholeSeconds(nowMs - profiles.authority.backdateMs), notAfterMs: Math.min(notAfterMs, by.certificate.notAfterMs) }
  const spec = authoritySpec(profiles.authority, { trustDomain, spki, serial: authoritySerial(deps), validity })
  return slowPath.certify({ ...spec, issuer: by.certificate.subject, authorityKeyId: by.certificate.extensions.subjectKeyId }, by.key)
}

/**
 * That verifiers take what it will sign, by our own: a leaf of its own key is signed and verified under the roots, so that path lengths, name constraints, restricted usages and
 * whatever else stands above show now. The leaf names the trust domain itself, which is no workload's identity (X509-02), and is forgotten.
 */
async function checkChain(der: Uint8Array, key: SigningKey, { chain, roots }: Upstream, nowMs: number, deps: CertifyAuthorityDeps): Promise<void> {
  const authority = parseCertificate(der)
  const subjectKeyId = subjectKeyIdOf(publicKeyHash(key.spki))
  const { notBeforeMs, notAfterMs } = authority
  const template = new LeafTemplate(deps.profiles.svids['server-svid'], { name: authority.subject, keyId: subjectKeyId, keyKind: key.kind })
  const toBeSigned = template.toBeSigned({ serial: authoritySerial(deps), notBeforeMs, notAfterMs, spki: key.spki, subjectKeyId, uri: trustDomainId(deps.trustDomain), dnsNames: [] })
  const leaf = parseCertificate(certificateOf(toBeSigned, await key.sign(toBeSigned), key.kind))
  const anchors = BundleSet.of({ trustDomain: deps.trustDomain, x509Authorities: roots }).authoritiesOf(deps.trustDomain)
  const result = validatePath({ leaf, intermediates: [authority, ...chain.map(parseCertificate)] }, anchors, svidExtKeyUsages, nowMs)
  if (result.kind === 'untrusted') throw new MayflyError('UPSTREAM_INVALID', `the upstream authority: what is signed below it would be refused: ${result.why}`)
}

function authoritySerial({ random }: Pick<CertifyAuthorityDeps, 'random'>): Uint8Array {
  const serial = random.bytes(serialLength)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40 // positive, and of full length
  return serial
}
