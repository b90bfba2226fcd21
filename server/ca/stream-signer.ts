import { leafValidity } from '../../src/core/validity.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../src/x509/template.ts'
import type { ActiveAuthority } from './active-authority.ts'
import type { AuthoritySet } from './authorities.ts'
import type { Profiles } from './profiles.ts'

/**
 * Certifies the Ed25519 key that signs the revocation stream; a leaf of at most 24 h under an authority that verifiers already
 * trust. It is no SVID: no SPIFFE ID, an extended key usage of its own, a serial that is none of the ledger's. @throws {MayflyError} NO_ACTIVE_AUTHORITY
 */
export async function certifyStreamKey(spki: Uint8Array, authority: ActiveAuthority, nowMs: number, deps: { readonly profiles: Profiles; readonly random: Random }): Promise<Uint8Array> {
  const profile = deps.profiles.streamSigner
  const { certificate: issuer } = authority
  const validity = leafValidity(nowMs, { ttlMs: profile.defaultTtlMs, maxTtlMs: profile.maxTtlMs, backdateMs: profile.backdateMs, issuer })
  const serial = Uint8Array.from(deps.random.bytes(16))
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40 // positive, of full length, and never 17 octets: it is no serial of the ledger
  const template = new LeafTemplate(profile, { name: issuer.subject, keyId: issuer.extensions.subjectKeyId ?? subjectKeyIdOf(publicKeyHash(issuer.spki)), keyKind: authority.key.kind })
  const toBeSigned = template.toBeSigned({ serial, ...validity, spki, subjectKeyId: subjectKeyIdOf(publicKeyHash(spki)), uri: undefined, dnsNames: [] })
  return certificateOf(toBeSigned, await authority.key.sign(toBeSigned), authority.key.kind)
}

/** Certifies the stream's keys under the active authority, and tells when the one that certified the newest is no longer to be relied on. */
export class StreamKeyCertifier {
  readonly #authorities: Pick<AuthoritySet, 'active' | 'all' | 'onChange'>
  readonly #deps: { readonly profiles: Profiles; readonly random: Random; readonly clock: Clock }
  #authorityId: string | undefined

  constructor(authorities: Pick<AuthoritySet, 'active' | 'all' | 'onChange'>, deps: { readonly profiles: Profiles; readonly random: Random; readonly clock: Clock }) {
    this.#authorities = authorities
    this.#deps = deps
  }

  /** DER, leaf first. @throws {MayflyError} NO_ACTIVE_AUTHORITY */
  async certify(spki: Uint8Array): Promise<readonly Uint8Array[]> {
    const authority = this.#authorities.active()
    const certificate = await certifyStreamKey(spki, authority, this.#deps.clock.nowMs(), this.#deps)
    this.#authorityId = authority.id
    return [certificate, ...authority.chain]
  }

  /** Calls `replace` when the authority above the newest key was tainted (readers still take the key: `trusted`), or revoked or dropped (they do not). */
  onDistrust(replace: (trusted: boolean) => void): Disposable {
    return this.#authorities.onChange(() => {
      if (this.#authorityId === undefined) return
      const state = this.#authorities.all().find(({ id }) => id === this.#authorityId)?.state
      if (state === 'tainted') replace(true)
      else if (state === 'revoked' || state === undefined) replace(false)
    })
  }
}
