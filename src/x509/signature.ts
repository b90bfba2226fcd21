import { sign, verify, type KeyObject } from 'node:crypto'
import { derOid } from '../core/der/oid.ts'
import { tag } from '../core/der/tag.ts'
import { derSequence, derValue } from '../core/der/writer.ts'
import { hasNullParameters, type Algorithm } from './algorithm.ts'
import type { Certificate } from './certificate.ts'
import { oid } from './oids.ts'
import { keyInputOf, keyKindOf, viewOf, type KeyKind } from './spki.ts'

/** What a signature algorithm asks of its key, its parameters and the digest. */
const algorithms: ReadonlyMap<string, { readonly kinds: readonly KeyKind[]; readonly digest: string | null; readonly parameters: 'none' | 'null' }> = new Map([
  [oid.ecdsaWithSha256, { kinds: ['P-256', 'P-384'], digest: 'sha256', parameters: 'none' }],
  [oid.ecdsaWithSha384, { kinds: ['P-256', 'P-384'], digest: 'sha384', parameters: 'none' }],
  [oid.ecdsaWithSha512, { kinds: ['P-256', 'P-384'], digest: 'sha512', parameters: 'none' }],
  [oid.rsaWithSha256, { kinds: ['RSA'], digest: 'sha256', parameters: 'null' }],
  [oid.rsaWithSha384, { kinds: ['RSA'], digest: 'sha384', parameters: 'null' }],
  [oid.rsaWithSha512, { kinds: ['RSA'], digest: 'sha512', parameters: 'null' }],
  [oid.ed25519, { kinds: ['Ed25519'], digest: null, parameters: 'none' }],
])

/** What each kind of key signs with here. */
const own: Readonly<Record<KeyKind, { readonly oid: string; readonly digest: 'sha256' | 'sha384' | null; readonly der: Uint8Array }>> = {
  'P-256': { oid: oid.ecdsaWithSha256, digest: 'sha256', der: derSequence(derOid(oid.ecdsaWithSha256)) },
  'P-384': { oid: oid.ecdsaWithSha384, digest: 'sha384', der: derSequence(derOid(oid.ecdsaWithSha384)) },
  RSA: { oid: oid.rsaWithSha256, digest: 'sha256', der: derSequence(derOid(oid.rsaWithSha256), derValue(tag.null)) },
  Ed25519: { oid: oid.ed25519, digest: null, der: derSequence(derOid(oid.ed25519)) },
}

/** The AlgorithmIdentifier, DER, of what a key of this kind signs here: ECDSA with SHA-256 (P-384: SHA-384), RSA PKCS#1 v1.5 with SHA-256, Ed25519. */
export function signatureAlgorithmOf(kind: KeyKind): Uint8Array {
  return own[kind].der
}

/** Whether it is that one, with the parameters it has. */
export function isSignatureAlgorithmOf(kind: KeyKind, algorithm: Algorithm): boolean {
  return algorithm.oid === own[kind].oid && (kind === 'RSA' ? hasNullParameters(algorithm) : algorithm.parameters === undefined)
}

/** The digest of that algorithm; `null`: it has its own. */
export function digestOf(kind: KeyKind): 'sha256' | 'sha384' | null {
  return own[kind].digest
}

/**
 * Whether the certificate's signature was made with the key of `issuerSpki`: ECDSA on P-256 or P-384, RSA PKCS#1 v1.5 (2048 to 4096 bits),
 * Ed25519, each with SHA-2. False for any other algorithm or key. It proves nothing else: not that the issuer may issue.
 * @throws {MayflyError} DER_INVALID when `issuerSpki` does not parse
 */
export function verifySignature(issuerSpki: Uint8Array, certificate: Certificate): boolean {
  return verifyBytes(issuerSpki, certificate.signatureAlgorithm, certificate.tbs, certificate.signature)
}

/** The same over any bytes; false also when `spki` is no key of these kinds. @throws {MayflyError} DER_INVALID */
export function verifyBytes(spki: Uint8Array, algorithm: Algorithm, data: Uint8Array, signature: Uint8Array): boolean {
  const kind = keyKindOf(spki)
  try {
    return kind !== undefined && verifyWith(keyInputOf(spki), kind, algorithm, data, signature)
  } catch {
    return false // the key is none, such as a point off its curve
  }
}

/** The same with a key that was imported before; `kind` must be its kind. */
export function verifyWith(key: KeyObject | ReturnType<typeof keyInputOf>, kind: KeyKind, algorithm: Algorithm, data: Uint8Array, signature: Uint8Array): boolean {
  const wanted = algorithms.get(algorithm.oid)
  if (wanted === undefined || !wanted.kinds.includes(kind)) return false
  if (wanted.parameters === 'null' ? !hasNullParameters(algorithm) : algorithm.parameters !== undefined) return false
  return verify(wanted.digest, viewOf(data), key, viewOf(signature))
}

/** A signature with the one algorithm that goes with the kind of key: ECDSA as DER with SHA-256 (P-384: SHA-384), RSA PKCS#1 v1.5 with SHA-256, Ed25519. */
export function signPlain(key: KeyObject, data: Uint8Array): Uint8Array {
  const digest = key.asymmetricKeyType === 'ed25519' ? null : key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256'
  return new Uint8Array(sign(digest, viewOf(data), key))
}

/** Whether {@link signPlain} made it with the key of this public one. False for any bytes that are no signature. */
export function verifyPlain(key: KeyObject, kind: KeyKind, data: Uint8Array, signature: Uint8Array): boolean {
  return verify(digestOf(kind), viewOf(data), key, viewOf(signature))
}
