import { leafValidity } from '../../src/core/validity.ts'
import type { Random } from '../../src/ports/random.ts'
import { authorityIdOf, publicKeyHash } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../src/x509/template.ts'
import type { ActiveAuthority } from './authorities.ts'
import type { Profiles } from './profiles.ts'

/** The key that signs the revocation stream, certified by an authority that verifiers already trust. It is no SVID: no SPIFFE ID, an extended key usage of its own. */
export interface StreamSigner {
  /** SHA-256 of its SubjectPublicKeyInfo, hexadecimal. */
  readonly keyId: string
  /** DER, Ed25519, at most 24 h. */
  readonly certificate: Uint8Array
  /** In memory alone. */
  readonly key: PrivateKey
  readonly notAfterMs: number
  readonly authorityId: string
}

/** Makes a new key and certifies it, in microseconds: a restart makes another. @throws {MayflyError} NO_ACTIVE_AUTHORITY */
export function issueStreamSigner(authority: ActiveAuthority, nowMs: number, deps: { readonly profiles: Profiles; readonly random: Random }): StreamSigner {
  const profile = deps.profiles.streamSigner
  const { certificate: issuer } = authority
  const validity = leafValidity(nowMs, { ttlMs: profile.defaultTtlMs, maxTtlMs: profile.maxTtlMs, backdateMs: profile.backdateMs, issuer })
  const key = PrivateKey.generate('Ed25519')
  const keyHash = publicKeyHash(key.spki)
  const serial = deps.random.bytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40 // positive, of full length, and never 17 octets: it is no serial of the ledger
  const template = new LeafTemplate(profile, { name: issuer.subject, keyId: issuer.extensions.subjectKeyId ?? subjectKeyIdOf(publicKeyHash(issuer.spki)) })
  const toBeSigned = template.toBeSigned({ serial, ...validity, spki: key.spki, subjectKeyId: subjectKeyIdOf(keyHash), uri: undefined, dnsNames: [] })
  return { keyId: authorityIdOf(key.spki), certificate: certificateOf(toBeSigned, authority.key.sign(toBeSigned)), key, notAfterMs: validity.notAfterMs, authorityId: authority.id }
}
