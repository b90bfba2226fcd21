import { equalBytes } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import { isSpiffeId, pathOf } from '../core/spiffe-id.ts'
import { isValidAt, parseCertificate, type Certificate } from '../x509/certificate.ts'
import { keyUsageBit } from '../x509/extensions.ts'
import { authorityIdOf } from '../x509/fingerprint.ts'
import { oid } from '../x509/oids.ts'
import { verifySignature, verifyWith } from '../x509/signature.ts'
import type { TrustAnchor } from './bundle-set.ts'
import { violationOf } from './name-constraints.ts'

/** A chain as a peer sends it: leaf first; what follows may come in any order. Parsed, and nothing else. */
export interface PeerChain {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
}

export type PathResult =
  /** From the authority that signed the leaf up to the one of the bundle. */
  | { readonly kind: 'trusted'; readonly authorityIds: readonly [string, ...string[]]; readonly authorities: readonly Certificate[] }
  | { readonly kind: 'untrusted'; readonly why: string }

/** `demanded` and critical, of authorities that sign SVIDs (X509-06); of others it is `heeded` where there is one (RFC 5280 6.1.4 (n)). */
export type AuthorityKeyUsage = 'demanded' | 'heeded'

export const maxChainCertificates = 8
const maxSignatureChecks = 16
const anyExtKeyUsage = '2.5.29.37.0'

/** At most {@link maxChainCertificates}. @throws {MayflyError} CERTIFICATE_INVALID, DER_INVALID */
export function parseChain(chain: readonly Uint8Array[]): PeerChain {
  const [leaf, ...intermediates] = chain
  if (leaf === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'the chain is empty')
  if (chain.length > maxChainCertificates) throw new MayflyError('CERTIFICATE_INVALID', `the chain has more than ${maxChainCertificates} certificates`)
  return { leaf: parseCertificate(leaf), intermediates: intermediates.map(parseCertificate) }
}

/**
 * Path validation by RFC 5280 6.1 for the shapes that SPIFFE allows: from the leaf through the intermediates to one of the anchors, with signatures, validity,
 * names, key identifiers, basic constraints, path lengths, key usage, extended key usage as nested, name constraints and critical extensions of every
 * authority; anchors too must be authorities and in their time. The leaf's own rules, its validity included, are its caller's.
 * @param extKeyUsages that the leaf is used for: an authority that restricts them must allow each
 */
export function validatePath({ leaf, intermediates }: PeerChain, anchors: readonly TrustAnchor[], extKeyUsages: readonly string[], nowMs: number, authorityKeyUsage: AuthorityKeyUsage = 'demanded'): PathResult {
  if (anchors.length === 0) return { kind: 'untrusted', why: 'there is no authority for its trust domain' }
  let checksLeft = maxSignatureChecks
  let why = 'no authority of its trust domain signed it'

  /** `below`: the certificates that an issuer of `child` would stand above, leaf first, `child` last. */
  const climb = (child: Certificate, below: readonly Certificate[], unused: readonly Certificate[]): readonly PathAuthority[] | undefined => {
    for (const anchor of anchors) {
      if (!mayHaveSigned(anchor.certificate, child) || checksLeft-- <= 0) continue
      const problem = problemOfIssuer(anchor.certificate, below, extKeyUsages, nowMs, authorityKeyUsage)
      if (problem !== undefined) why = problem
      else if (verifyWith(anchor.key, anchor.keyKind, child.signatureAlgorithm, child.tbs, child.signature)) return [anchor]
      else why = 'a signature does not verify'
    }
    for (const issuer of unused) {
      if (!mayHaveSigned(issuer, child) || checksLeft-- <= 0) continue
      const problem = problemOfIssuer(issuer, below, extKeyUsages, nowMs, authorityKeyUsage)
      if (problem !== undefined) why = problem
      else if (!verifySignature(issuer.spki, child)) why = 'a signature does not verify'
      else {
        const above = climb(issuer, [...below, issuer], unused.filter((other) => other !== issuer))
        if (above !== undefined) return [{ id: authorityIdOf(issuer.spki), certificate: issuer }, ...above]
      }
    }
    return undefined
  }

  const path = climb(leaf, [leaf], intermediates) ?? []
  const [first, ...rest] = path.map(({ id }) => id)
  return first === undefined ? { kind: 'untrusted', why } : { kind: 'trusted', authorityIds: [first, ...rest], authorities: path.map(({ certificate }) => certificate) }
}

type PathAuthority = Pick<TrustAnchor, 'id' | 'certificate'>

/** By name and, where both have one, by key identifier. */
function mayHaveSigned(issuer: Certificate, child: Certificate): boolean {
  if (!equalBytes(issuer.subject, child.issuer)) return false
  const wanted = child.extensions.authorityKeyId
  const found = issuer.extensions.subjectKeyId
  return wanted === undefined || found === undefined || equalBytes(wanted, found)
}

/** Why this certificate may not have issued the last of `below`. */
function problemOfIssuer(issuer: Certificate, below: readonly Certificate[], extKeyUsages: readonly string[], nowMs: number, demand: AuthorityKeyUsage): string | undefined {
  const { basicConstraints, keyUsage, extKeyUsage, nameConstraints, subjectAltName, unknownCritical } = issuer.extensions
  if (!isValidAt(issuer, nowMs)) return nowMs > issuer.notAfterMs ? 'an authority has expired' : 'an authority is not valid yet'
  if (unknownCritical.length > 0) return `an authority has a critical extension that is not known: ${unknownCritical[0] ?? ''}`
  if (basicConstraints?.ca !== true) return 'an issuer is not an authority: cA is not set'
  if (demand === 'demanded' && keyUsage?.critical !== true) return 'an authority has no critical key usage'
  if (keyUsage !== undefined && (keyUsage.bits & keyUsageBit.keyCertSign) === 0) return 'an authority may not sign certificates: keyCertSign is not set'
  if (extKeyUsage !== undefined && !extKeyUsage.oids.includes(anyExtKeyUsage) && !extKeyUsages.every((usage) => extKeyUsage.oids.includes(usage))) {
    return 'an authority is restricted to other extended key usages'
  }
  const pathLength = below.slice(1).filter((certificate) => !equalBytes(certificate.subject, certificate.issuer)).length
  if (basicConstraints.pathLength !== undefined && pathLength > basicConstraints.pathLength) return 'a path is longer than an authority allows'
  if (subjectAltName?.uris.some((uri) => isSpiffeId(uri) && pathOf(uri) !== '')) return 'an authority has a SPIFFE ID with a path'
  if (nameConstraints === undefined) return undefined
  for (const { extensions } of below) {
    const violation = extensions.subjectAltName === undefined ? undefined : constraintViolation(nameConstraints.value, extensions.subjectAltName)
    if (violation !== undefined) return violation
  }
  return undefined
}

function constraintViolation(constraints: Uint8Array, names: NonNullable<Certificate['extensions']['subjectAltName']>): string | undefined {
  try {
    return violationOf(constraints, names)
  } catch (error) {
    if (error instanceof MayflyError) return 'a name constraint is malformed'
    throw error
  }
}

/** For SVIDs: both directions of TLS. */
export const svidExtKeyUsages: readonly string[] = [oid.serverAuth, oid.clientAuth]

/** For what only the authorities of the servers themselves may sign: those of servers further down are restricted to {@link svidExtKeyUsages}. */
export const ownExtKeyUsages: readonly string[] = [...svidExtKeyUsages, oid.revocationStreamSigning]
