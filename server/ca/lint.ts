import { equalBytes } from '../../src/core/bytes.ts'
import { isDnsName } from '../../src/core/dns-name.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { CertificateProfile } from '../../src/core/profile.ts'
import { decodeSerial, minuteOf, serialBytes } from '../../src/core/serial.ts'
import { hasGrantSegment, parseSpiffeId, pathOf, segmentsOf, trustDomainOf, type SpiffeId, type TrustDomain } from '../../src/core/spiffe-id.ts'
import { encloses, type Validity } from '../../src/core/validity.ts'
import { parseToBeSigned, type ToBeSigned } from '../../src/x509/certificate.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import type { GrantClaims } from '../../src/x509/grant-claims.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { oid } from '../../src/x509/oids.ts'
import { isSignatureAlgorithmOf } from '../../src/x509/signature.ts'
import { keyKindOf } from '../../src/x509/spki.ts'
import { subjectKeyIdOf, type LeafIssuer } from '../../src/x509/template.ts'

/** What was asked for, against which the bytes are held. */
export interface LintOrder {
  readonly profile: CertificateProfile
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly grant: GrantClaims | undefined
  readonly spki: Uint8Array
  readonly issuedAtMs: number
  readonly issuer: LeafIssuer & { readonly validity: Validity; readonly trustDomain: TrustDomain }
}

/** Stands where the serial number will be until the journal has given one: as long, in a minute that never comes. */
export const placeholderSerial: Uint8Array = Uint8Array.from([0x7f, ...new Uint8Array(serialBytes - 1).fill(0xff)])

/** To-be-signed bytes that passed every rule, but for the serial number. Only {@link lint} makes one, and it is used once. */
export class LintedSvid {
  readonly notAfterMs: number
  readonly #serialAt: number
  #toBeSigned: Uint8Array | undefined

  private constructor(toBeSigned: Uint8Array, serialAt: number, notAfterMs: number) {
    this.#toBeSigned = toBeSigned
    this.#serialAt = serialAt
    this.notAfterMs = notAfterMs
  }

  /** Checks the bytes against the order. @throws {MayflyError} LINT_FAILED, naming every rule that is broken */
  static lint(toBeSigned: Uint8Array, order: LintOrder): LintedSvid {
    const certificate = parseBack(toBeSigned)
    const broken = brokenRules(certificate, order)
    if (broken.length > 0) throw new MayflyError('LINT_FAILED', `the certificate for ${order.spiffeId} is not as it must be: ${broken.join('; ')}`)
    const serialAt = indexOfSerial(toBeSigned)
    return new LintedSvid(toBeSigned, serialAt, certificate.notAfterMs)
  }

  /** The bytes to sign, with the serial number that the journal gave. @throws {MayflyError} LINT_FAILED for a serial of another minute, or the second time */
  take(serial: Uint8Array): Uint8Array {
    const toBeSigned = this.#toBeSigned
    if (toBeSigned === undefined) throw new MayflyError('LINT_FAILED', 'a linted certificate is signed once')
    if (decodeSerial(serial)?.minute !== minuteOf(this.notAfterMs)) throw new MayflyError('LINT_FAILED', 'the serial is not one of this notAfter')
    this.#toBeSigned = undefined
    toBeSigned.set(serial, this.#serialAt)
    return toBeSigned
  }
}

/** As {@link LintedSvid.lint}. */
export function lint(toBeSigned: Uint8Array, order: LintOrder): LintedSvid {
  return LintedSvid.lint(toBeSigned, order)
}

function parseBack(toBeSigned: Uint8Array): ToBeSigned {
  try {
    return parseToBeSigned(toBeSigned)
  } catch (cause) {
    throw new MayflyError('LINT_FAILED', 'the certificate does not parse', { cause })
  }
}

/** After the header of the whole, the version (5 octets) and the header of the number (2). */
function indexOfSerial(toBeSigned: Uint8Array): number {
  const lengthOctet = toBeSigned[1] ?? 0
  return 2 + (lengthOctet < 0x80 ? 0 : lengthOctet & 0x7f) + 5 + 2
}

function brokenRules(certificate: ToBeSigned, order: LintOrder): readonly string[] {
  const { profile, issuer } = order
  const { basicConstraints, keyUsage, extKeyUsage, subjectAltName: san, subjectKeyId, authorityKeyId, nameConstraints, unknown } = certificate.extensions
  const broken: string[] = []
  const must = (holds: boolean, rule: string): void => {
    if (!holds) broken.push(rule)
  }
  const bits = keyUsage?.bits ?? 0
  const id = san?.uris.length === 1 ? san.uris[0] : undefined

  must(id !== undefined && id === order.spiffeId && isWellFormed(id), 'X509-01: exactly one URI name, which is the SPIFFE ID')
  must(pathOf(order.spiffeId) !== '', 'X509-02: the SPIFFE ID of a leaf has a path')
  must(trustDomainOf(order.spiffeId) === issuer.trustDomain, 'X509-04: the SPIFFE ID is in the trust domain of its issuer')
  must(!certificate.subjectIsEmpty || san?.critical === true, 'X509-03: an empty subject makes subjectAltName critical')
  must(sameTexts(san?.dns ?? [], order.dnsNames) && order.dnsNames.length <= profile.maxDnsNames, 'names: the DNS names are those that were asked for, within the profile')
  must(order.dnsNames.every(isDnsName), 'names: each DNS name is well-formed')
  must(san?.ips.length === 0 && san.emails.length === 0 && san.others === 0, 'names: there are no others')
  must(profile.grant === (order.grant !== undefined) && profile.grant === hasGrantSegment(order.spiffeId), 'grant: claims, the ID of a grant and its profile go together')
  must(sameClaims(certificate.extensions.grant, order.grant), 'grant: the claims are those of the grant')
  must(order.grant === undefined || (segmentsOf(order.spiffeId).at(-1) === order.grant.id && certificate.notAfterMs <= order.grant.deadlineMs), 'grant: its ID names it, and it ends by its deadline')
  must(basicConstraints !== undefined && !basicConstraints.ca && basicConstraints.critical, 'X509-05: cA is false')
  must(keyUsage?.critical === true, 'X509-06: key usage is there and critical')
  must((bits & keyUsageBit.digitalSignature) !== 0 && (bits & (keyUsageBit.keyCertSign | keyUsageBit.cRLSign)) === 0, 'X509-08: digitalSignature, neither keyCertSign nor cRLSign')
  must(bits === profile.keyUsage.reduce((sum, usage) => sum | keyUsageBit[usage], 0), 'profile: key usage')
  must(extKeyUsage !== undefined && extKeyUsage.oids.includes(oid.serverAuth) && extKeyUsage.oids.includes(oid.clientAuth), 'X509-09: serverAuth and clientAuth')
  must(sameTexts(extKeyUsage?.oids ?? [], profile.extKeyUsage.map((usage) => oid[usage])), 'profile: extended key usage')
  must(encloses(issuer.validity, certificate), 'validity: within its issuer’s')
  must(certificate.notBeforeMs <= order.issuedAtMs && certificate.notAfterMs > order.issuedAtMs, 'validity: holds at the time of issue')
  must(certificate.notAfterMs <= order.issuedAtMs + profile.maxTtlMs && certificate.notBeforeMs > order.issuedAtMs - profile.backdateMs - 1_000, 'validity: within the profile’s limits')
  must(equalBytes(certificate.issuer, issuer.name) && authorityKeyId !== undefined && equalBytes(authorityKeyId, issuer.keyId), 'issuer: name and key identifier are the authority’s')
  must(equalBytes(certificate.spki, order.spki) && profile.keys.some((kind) => kind === keyKindOf(order.spki)), 'key: the one that was proven, of a kind in the profile')
  must(subjectKeyId !== undefined && equalBytes(subjectKeyId, subjectKeyIdOf(publicKeyHash(order.spki))), 'key: its identifier')
  must(isSignatureAlgorithmOf(issuer.keyKind, certificate.signatureAlgorithm), 'signature: by the algorithm that goes with the authority’s key')
  must(equalBytes(certificate.serial, placeholderSerial), 'serial: the place for it is there')
  must(unknown.size === 0 && nameConstraints === undefined, 'extensions: none but these')
  return broken
}

function sameClaims(left: GrantClaims | undefined, right: GrantClaims | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return left.id === right.id && left.intentHash === right.intentHash && left.policyHash === right.policyHash && left.deadlineMs === right.deadlineMs
}

function isWellFormed(id: string): boolean {
  try {
    return parseSpiffeId(id) === id
  } catch {
    return false
  }
}

function sameTexts(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, at) => text === right[at])
}
