import { derOid } from '../core/der/oid.ts'
import { constructedContextTag, primitiveContextTag, tag } from '../core/der/tag.ts'
import { derTime } from '../core/der/time.ts'
import { asciiBytes, derBoolean, derHeader, derNamedBits, derOctetString, derSequence, derUnsigned, derValue } from '../core/der/writer.ts'
import { concatBytes } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import type { CertificateProfile } from '../core/profile.ts'
import { keyUsageBit } from './extensions.ts'
import { derGrantClaims, type GrantClaims } from './grant-claims.ts'
import { derName } from './name.ts'
import { oid } from './oids.ts'
import { signatureAlgorithmOf } from './signature.ts'
import type { KeyKind } from './spki.ts'
import { generalNameTag } from './subject-alt-name.ts'

/** What a leaf takes from its issuer's certificate. */
export interface LeafIssuer {
  /** The issuer's subject, DER. */
  readonly name: Uint8Array
  /** The issuer's subject key identifier, 1 to 100 octets. */
  readonly keyId: Uint8Array
  /** Of the issuer's key: it decides how its leaves are signed. */
  readonly keyKind: KeyKind
}

/** What differs from leaf to leaf. */
export interface LeafFields {
  /** Magnitude, big endian, at most 20 octets as encoded. */
  readonly serial: Uint8Array
  /** Whole seconds. */
  readonly notBeforeMs: number
  /** Whole seconds, inclusive. */
  readonly notAfterMs: number
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** 20 octets, see {@link subjectKeyIdOf}. */
  readonly subjectKeyId: Uint8Array
  /** The one URI name (X509-01); `undefined` for a leaf that is no SVID. */
  readonly uri: string | undefined
  readonly dnsNames: readonly string[]
  /** Only in the SVID of a grant. */
  readonly grant?: GrantClaims | undefined
}

const version3 = derValue(constructedContextTag(0), derUnsigned(Uint8Array.of(2)))
const noUnusedBits = Uint8Array.of(0)
const subjectKeyIdBytes = 20
const nothing = new Uint8Array(0)

/** The identifier of a subject key: the first 20 octets of its `publicKeyHash` (RFC 5280 4.2.1.2 leaves the method open). */
export function subjectKeyIdOf(publicKeyHash: Uint8Array): Uint8Array {
  return publicKeyHash.subarray(0, subjectKeyIdBytes)
}

/**
 * The to-be-signed bytes of leaves of one profile under one issuer: all that stays the same is encoded once, the rest is spliced in.
 * Its bytes are those of the slow path (src/x509/peculiar), which property tests compare. It judges nothing: that is the linter's work.
 */
export class LeafTemplate {
  readonly #issuer: Uint8Array
  readonly #subject: Uint8Array
  readonly #extensionsBefore: Uint8Array
  readonly #extensionsAfter: Uint8Array
  readonly #sanBefore: Uint8Array

  constructor(profile: CertificateProfile, issuer: LeafIssuer) {
    const { organization, commonName } = profile.subject
    this.#issuer = concatBytes(signatureAlgorithmOf(issuer.keyKind), issuer.name)
    this.#subject = derName({ ...(organization === undefined ? {} : { organization }), ...(commonName === undefined ? {} : { commonName }) })
    const keyUsage = profile.keyUsage.reduce((bits, usage) => bits | keyUsageBit[usage], 0)
    const subjectKeyId = extension(oid.subjectKeyIdentifier, false, derOctetString(new Uint8Array(subjectKeyIdBytes)))
    this.#extensionsBefore = concatBytes(
      extension(oid.keyUsage, true, derNamedBits(keyUsage)),
      extension(oid.extKeyUsage, false, derSequence(...profile.extKeyUsage.map((usage) => derOid(oid[usage])))),
      extension(oid.basicConstraints, true, derSequence()),
      subjectKeyId.subarray(0, -subjectKeyIdBytes), // the identifier itself follows, its last octets
    )
    this.#extensionsAfter = extension(oid.authorityKeyIdentifier, false, derSequence(derValue(primitiveContextTag(0), issuer.keyId)))
    this.#sanBefore = concatBytes(derOid(oid.subjectAltName), ...(this.#subject.length === 2 ? [derBoolean(true)] : []))
  }

  /** @throws {MayflyError} DER_INVALID for a time or a name that cannot be written */
  toBeSigned(fields: LeafFields): Uint8Array {
    if (fields.subjectKeyId.length !== subjectKeyIdBytes) throw new MayflyError('DER_INVALID', `a subject key identifier has ${subjectKeyIdBytes} octets`)
    const serial = derUnsigned(fields.serial)
    const notBefore = derTime(fields.notBeforeMs)
    const notAfter = derTime(fields.notAfterMs)
    const san = this.#subjectAltName(fields)
    const grant = fields.grant === undefined ? nothing : extension(oid.grantClaims, false, derGrantClaims(fields.grant))
    const listLength = this.#extensionsBefore.length + subjectKeyIdBytes + this.#extensionsAfter.length + san.length + grant.length
    const listHeader = derHeader(tag.sequence, listLength)
    return derSequence(
      version3,
      serial,
      this.#issuer,
      derHeader(tag.sequence, notBefore.length + notAfter.length),
      notBefore,
      notAfter,
      this.#subject,
      fields.spki,
      derHeader(constructedContextTag(3), listHeader.length + listLength),
      listHeader,
      this.#extensionsBefore,
      fields.subjectKeyId,
      this.#extensionsAfter,
      san,
      grant,
    )
  }

  #subjectAltName({ uri, dnsNames }: LeafFields): Uint8Array {
    if (uri === undefined && dnsNames.length === 0) return nothing
    const names = dnsNames.map((name) => derValue(generalNameTag.dns, asciiBytes(name)))
    if (uri !== undefined) names.unshift(derValue(generalNameTag.uri, asciiBytes(uri)))
    return derSequence(this.#sanBefore, derOctetString(derSequence(...names)))
  }
}

/** A certificate of its to-be-signed bytes and a signature over them by a key of this kind, DER. */
export function certificateOf(toBeSigned: Uint8Array, signature: Uint8Array, signedBy: KeyKind): Uint8Array {
  return derSequence(toBeSigned, signatureAlgorithmOf(signedBy), derHeader(tag.bitString, signature.length + 1), noUnusedBits, signature)
}

function extension(type: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(type), ...(critical ? [derBoolean(true)] : []), derOctetString(value))
}
