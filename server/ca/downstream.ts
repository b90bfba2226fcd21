import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { isSpiffeId, trustDomainId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import { leafValidity, type Validity } from '../../src/core/validity.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { downstreamAuthoritySpec, type CertificateSpec } from '../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { verifyCsr } from '../../src/x509/csr.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import type { CredentialStore } from '../store/port.ts'
import type { ActiveAuthority } from './active-authority.ts'
import type { Profiles } from './profiles.ts'

/** Who asks for an authority of its own, authenticated and authorized by the caller. */
export interface DownstreamRequest {
  /** PKCS#10, DER: only its key counts, and the proof that it is held. */
  readonly csr: Uint8Array
  readonly entry: { readonly id: string; readonly spiffeId: SpiffeId; readonly owner: string; readonly expiresAtSeconds: number }
  /** Under which its SVID was obtained, so that banning that agent ends this too; unset when it was minted. */
  readonly agentId?: SpiffeId
  /** As long as it likes, up to the profile's limit, the entry's and the authority's end; 0: the profile's default. */
  readonly preferredTtlMs: number
}

export interface DownstreamAuthority {
  /** DER: its own first, then what stands between it and the bundle. */
  readonly chain: readonly Uint8Array[]
  /** 17 bytes. */
  readonly serial: Uint8Array
  readonly notAfterMs: number
  /** As the revocation stream names it: SHA-256 of its public key, hexadecimal. */
  readonly authorityId: string
}

export interface DownstreamDeps {
  readonly trustDomain: TrustDomain
  readonly profiles: Profiles
  /** @throws {MayflyError} NO_ACTIVE_AUTHORITY */
  readonly authorities: { active(): ActiveAuthority }
  /** Builds and signs certificates, slowly: `SlowPath`. */
  readonly slowPath: { certify(spec: CertificateSpec, signer: ActiveAuthority['key']): Promise<Uint8Array> }
  readonly credentials: Pick<CredentialStore, 'reserve' | 'release'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/**
 * Authorities of servers further down (nested servers): each has a row in the ledger like any credential, under the ID of that server's entry. What ends the row revokes the authority in
 * the stream, and so all below it. What such an authority signs is in no ledger here: to verifiers it is `unindexed`.
 */
export class DownstreamAuthorities {
  readonly #deps: DownstreamDeps

  constructor(deps: DownstreamDeps) {
    this.#deps = deps
  }

  /** Written down, then signed, then checked, then given out. @throws {MayflyError} CSR_INVALID, KEY_DENIED, TARGET_DISABLED, NOT_FOUND, NO_ACTIVE_AUTHORITY, PRECONDITION_FAILED when the authority here may have none below it */
  async certify({ csr, entry, agentId, preferredTtlMs }: DownstreamRequest, signal: AbortSignal): Promise<DownstreamAuthority> {
    const { profiles, authorities, slowPath, credentials, clock, random, trustDomain, log } = this.#deps
    const { downstreamAuthority: profile } = profiles
    const { spki, publicKeyHash, keyKind } = verifyCsr(csr)
    if (!profile.keys.some((kind) => kind === keyKind)) throw new MayflyError('CSR_INVALID', `a key of kind ${keyKind} is not signed for an authority`, { hint: `one of ${profile.keys.join(', ')}` })
    const authority = authorities.active()
    const pathLength = pathLengthBelow(authority, profile.pathLength)
    const issuedAtMs = clock.nowMs()
    const validity = validityOf(issuedAtMs, preferredTtlMs, entry.expiresAtSeconds, authority, profile)
    const row = { kind: 'downstream', spiffeId: entry.spiffeId, entryId: entry.id, owner: entry.owner, publicKeyHash: toHex(publicKeyHash), authorityId: authority.id, ...validity, random: random.bytes(8) } as const // a literal kind
    signal.throwIfAborted()
    const [reserved] = await credentials.reserve([agentId === undefined ? row : { ...row, agentId }], issuedAtMs)
    if (reserved === undefined) throw new MayflyError('INTERNAL', 'not written down')
    if (!reserved.ok) throw new MayflyError(reserved.code, reserved.message)
    const { serial } = reserved
    const keyId = authority.certificate.extensions.subjectKeyId
    if (keyId === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'an authority has a subject key identifier')
    const spec = downstreamAuthoritySpec(profile, { name: authority.certificate.subject, keyId }, { trustDomain, spki, serial, validity, pathLength })
    const certificate = await slowPath.certify(spec, authority.key)
    checkSigned(certificate, spec, authority, trustDomain)
    await credentials.release([serial], clock.nowMs())
    const authorityId = toHex(publicKeyHash)
    log.info({ event: 'downstream.certified', authority: authorityId, serial: toHex(serial), spiffeId: entry.spiffeId, entryId: entry.id, notAfterMs: validity.notAfterMs }, 'an authority of a server further down was certified')
    return { chain: [certificate, ...authority.chain], serial, notAfterMs: validity.notAfterMs, authorityId }
  }
}

function validityOf(nowMs: number, preferredTtlMs: number, expiresAtSeconds: number, { certificate }: ActiveAuthority, { defaultTtlMs, maxTtlMs, backdateMs }: Profiles['downstreamAuthority']): Validity {
  const { notBeforeMs, notAfterMs } = certificate
  const issuer = { notBeforeMs, notAfterMs: expiresAtSeconds === 0 ? notAfterMs : Math.min(notAfterMs, expiresAtSeconds * 1_000) }
  return leafValidity(nowMs, { ttlMs: preferredTtlMs === 0 ? defaultTtlMs : Math.min(preferredTtlMs, maxTtlMs), maxTtlMs, backdateMs, issuer })
}

/** How many may follow below what is signed now: the profile's number, or fewer where something above says so. */
function pathLengthBelow(authority: ActiveAuthority, most: number): number {
  let left = most
  const { certificate, chain, roots } = authority
  const above = [certificate, ...chain.slice(1).map(parseCertificate)]
  const limits = [...above.map(({ extensions }, at) => ({ extensions, at })), ...roots.map((der) => ({ extensions: parseCertificate(der).extensions, at: above.length }))]
  for (const { extensions, at } of limits) {
    const limit = extensions.basicConstraints?.pathLength
    if (limit !== undefined) left = Math.min(left, limit - at - 1)
  }
  if (left < 0) throw new MayflyError('PRECONDITION_FAILED', 'the authority of this server may have none below it: a path length above it forbids that', { hint: 'the upstream authority needs a path length of 2 or more, or none' })
  return left
}

/** That what came back is what was ordered: before anybody gets it. @throws {MayflyError} LINT_FAILED, naming every rule that is broken */
function checkSigned(der: Uint8Array, spec: CertificateSpec, authority: ActiveAuthority, trustDomain: TrustDomain): void {
  const certificate = parseCertificate(der)
  const { basicConstraints, keyUsage, extKeyUsage, subjectAltName, subjectKeyId, authorityKeyId, unknown } = certificate.extensions
  const broken: string[] = []
  const must = (holds: boolean, rule: string): void => {
    if (!holds) broken.push(rule)
  }
  must(subjectAltName?.uris.length === 1 && subjectAltName.uris[0] === trustDomainId(trustDomain) && isSpiffeId(subjectAltName.uris[0]) && subjectAltName.dns.length === 0, 'X509-04: its only name is that of the trust domain')
  must(basicConstraints?.ca === true && basicConstraints.critical && basicConstraints.pathLength === spec.pathLength, 'X509-05: cA, with its path length')
  must(keyUsage?.critical === true && keyUsage.bits === 0x60, 'X509-06, X509-07: keyCertSign and cRLSign, critical')
  must(extKeyUsage?.oids.join(' ') === spec.extKeyUsage.join(' '), 'profile: extended key usage')
  must(equalBytes(certificate.spki, spec.spki) && subjectKeyId !== undefined && equalBytes(subjectKeyId, spec.subjectKeyId), 'key: the one that was proven')
  must(equalBytes(certificate.issuer, authority.certificate.subject) && authorityKeyId !== undefined && equalBytes(authorityKeyId, spec.authorityKeyId ?? new Uint8Array(0)), 'issuer: the authority')
  must(certificate.notBeforeMs === spec.notBeforeMs && certificate.notAfterMs === spec.notAfterMs && certificate.notAfterMs <= authority.certificate.notAfterMs, 'validity: within its issuer’s')
  must(equalBytes(certificate.serial, spec.serial), 'serial: the one of the journal')
  must(verifySignature(authority.certificate.spki, certificate), 'signature: verifies')
  must(unknown.size === 0, 'extensions: none but these')
  if (broken.length > 0) throw new MayflyError('LINT_FAILED', `the authority for a server further down is not as it must be: ${broken.join('; ')}`)
}
