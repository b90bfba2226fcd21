import { derOid } from '../../../src/core/der/oid.ts'
import { DerReader } from '../../../src/core/der/reader.ts'
import { tag } from '../../../src/core/der/tag.ts'
import { derBitString, derSequence, derUnsigned, derValue } from '../../../src/core/der/writer.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { KeyType } from '../../../src/core/key-type.ts'
import { oid } from '../../../src/x509/oids.ts'

const curves = { 'ec-p256': derOid(oid.p256), 'ec-p384': derOid(oid.p384) } as const

/** CKA_EC_PARAMS of a curve: its OID, DER. */
export function curveParameters(type: 'ec-p256' | 'ec-p384'): Uint8Array {
  return curves[type]
}

export function isElliptic(type: KeyType): type is 'ec-p256' | 'ec-p384' {
  return type === 'ec-p256' || type === 'ec-p384'
}

/** SubjectPublicKeyInfo of CKA_EC_PARAMS and CKA_EC_POINT, which some modules wrap in an OCTET STRING, as the standard says, and some do not. */
export function ellipticSpki(parameters: Uint8Array, point: Uint8Array): Uint8Array {
  const isBare = point[0] === 0x04 && (point.length === 65 || point.length === 97)
  const bare = isBare ? point : unwrapped(point)
  return derSequence(derSequence(derOid(oid.ecPublicKey), parameters), derBitString(bare))
}

/** SubjectPublicKeyInfo of CKA_MODULUS and CKA_PUBLIC_EXPONENT. */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  return derSequence(derSequence(derOid(oid.rsaEncryption), derValue(tag.null)), derBitString(derSequence(derUnsigned(modulus), derUnsigned(exponent))))
}

/** ECDSA-Sig-Value of the r | s that PKCS#11 gives. */
export function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  if (!Number.isInteger(half) || half < 32) throw new MayflyError('KEY_STORE_REFUSED', 'the token gave a signature of another form')
  return derSequence(derUnsigned(raw.subarray(0, half)), derUnsigned(raw.subarray(half)))
}

function unwrapped(point: Uint8Array): Uint8Array {
  try {
    const reader = DerReader.over(point)
    return reader.read(tag.octetString)
  } catch (cause) {
    throw new MayflyError('CERTIFICATE_INVALID', 'a public key in the token is damaged', { cause })
  }
}
