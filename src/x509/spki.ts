import { createPublicKey, type KeyObject } from 'node:crypto'
import { equalBytes } from '../core/bytes.ts'
import { derOid } from '../core/der/oid.ts'
import { DerReader } from '../core/der/reader.ts'
import { MayflyError } from '../core/errors.ts'
import { hasNullParameters, readAlgorithm } from './algorithm.ts'
import { oid } from './oids.ts'

export type KeyKind = 'P-256' | 'P-384' | 'RSA' | 'Ed25519'

/** Length of a P-256 SubjectPublicKeyInfo with its point uncompressed, the only form taken. */
const p256SpkiBytes = 91
const p256Prefix = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
])

const p384Oid = derOid(oid.p384)

/** Least size of an RSA modulus, bits; and the most, so that a check stays cheap. */
const rsaBits = { least: 2048, most: 4096 } as const

/** Whether these bytes have the form of a P-256 key; whether the point is on the curve shows at import. */
function isP256Spki(spki: Uint8Array): boolean {
  return spki.length === p256SpkiBytes && p256Prefix.every((octet, at) => spki[at] === octet)
}

/** The kind of a SubjectPublicKeyInfo that mayfly takes: P-256, P-384, RSA of 2048 to 4096 bits with an exponent from 65537 on, Ed25519; `undefined` for any other. @throws {MayflyError} DER_INVALID */
export function keyKindOf(spki: Uint8Array): KeyKind | undefined {
  if (isP256Spki(spki)) return 'P-256'
  const outer = DerReader.inside(spki)
  const algorithm = readAlgorithm(outer)
  const key = outer.readBitString()
  outer.finish()
  switch (algorithm.oid) {
    case oid.ecPublicKey:
      return algorithm.parameters !== undefined && equalBytes(algorithm.parameters, p384Oid) && key.length === 97 && key[0] === 4 ? 'P-384' : undefined
    case oid.ed25519:
      return algorithm.parameters === undefined && key.length === 32 ? 'Ed25519' : undefined
    case oid.rsaEncryption:
      return hasNullParameters(algorithm) && isFittingRsa(key) ? 'RSA' : undefined
    default:
      return undefined
  }
}

/** Imports a key for `node:crypto`. @throws {MayflyError} CERTIFICATE_INVALID when it is none, such as a point off its curve */
export function importPublicKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey(keyInputOf(spki))
  } catch (cause) {
    throw new MayflyError('CERTIFICATE_INVALID', 'not a public key', { cause })
  }
}

/**
 * What `node:crypto` takes as a public key without a KeyObject being made. A P-256 key goes in as PEM, which OpenSSL 3 reads in 15 to 20 µs where
 * DER needs 35 to 50: that is most of what a proof of possession costs beyond the check itself.
 */
export function keyInputOf(spki: Uint8Array): string | { readonly key: Buffer; readonly format: 'der'; readonly type: 'spki' } {
  if (isP256Spki(spki)) return `-----BEGIN PUBLIC KEY-----\n${viewOf(spki).toString('base64')}\n-----END PUBLIC KEY-----\n`
  return { key: viewOf(spki), format: 'der', type: 'spki' }
}

/** The same bytes as a Buffer, not copied: the type that node:crypto's declarations ask for. */
export function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isFittingRsa(key: Uint8Array): boolean {
  const inner = DerReader.inside(key)
  const modulus = inner.readInteger()
  const exponent = inner.readInteger()
  inner.finish()
  const first = modulus[0] === 0 ? (modulus[1] ?? 0) : (modulus[0] ?? 0)
  const bits = (modulus.length - (modulus[0] === 0 ? 1 : 0)) * 8 - (Math.clz32(first) - 24)
  const positive = (modulus[0] ?? 0) < 0x80 && (exponent[0] ?? 0) < 0x80
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1 && ((modulus.at(-1) ?? 0) & 1) === 1
  const exponentFits = exponent.length <= 4 && exponent.length >= 3 && (exponent[0] !== 0 || exponent.length === 4)
  return positive && odd && exponentFits && bits >= rsaBits.least && bits <= rsaBits.most
}
