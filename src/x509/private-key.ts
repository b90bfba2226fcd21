import { createPrivateKey, createPublicKey, generateKeyPair, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { inspect, promisify } from 'node:util'
import { MayflyError } from '../core/errors.ts'
import type { KeyType } from '../core/key-type.ts'
import { decodePrivateKeyPem, encodePem } from './pem.ts'
import { digestOf } from './signature.ts'
import type { SigningKey } from './signing-key.ts'
import { keyKindOf, viewOf, type KeyKind } from './spki.ts'

const generateRsa = promisify(generateKeyPair)

/** A private key; prints as `[secret]`. */
export class PrivateKey implements SigningKey {
  readonly kind: KeyKind
  /** Its SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** For node:crypto. */
  readonly keyObject: KeyObject

  private constructor(kind: KeyKind, spki: Uint8Array, keyObject: KeyObject) {
    this.kind = kind
    this.spki = spki
    this.keyObject = keyObject
    Object.defineProperty(this, inspect.custom, { value: () => '[secret]' })
  }

  /** A new key from OpenSSL's generator; P-256 unless said otherwise. */
  static generate(kind: Exclude<KeyKind, 'RSA'> = 'P-256'): PrivateKey {
    const { publicKey, privateKey } = kind === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: kind })
    return new PrivateKey(kind, new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), privateKey)
  }

  /** The same by type and size. An RSA key takes 50 ms to seconds, beside this thread. */
  static async create(type: KeyType): Promise<PrivateKey> {
    if (type === 'ec-p256' || type === 'ec-p384') return PrivateKey.generate(type === 'ec-p256' ? 'P-256' : 'P-384')
    const { publicKey, privateKey } = await generateRsa('rsa', { modulusLength: type === 'rsa-2048' ? 2048 : 4096, publicExponent: 65_537 })
    return new PrivateKey('RSA', new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), privateKey)
  }

  /** @throws {MayflyError} CERTIFICATE_INVALID when it is no PKCS#8 key of a kind that mayfly takes */
  static fromPkcs8(der: Uint8Array): PrivateKey {
    let keyObject: KeyObject
    let spki: Uint8Array
    try {
      keyObject = createPrivateKey({ key: viewOf(der), format: 'der', type: 'pkcs8' })
      spki = new Uint8Array(createPublicKey(keyObject).export({ type: 'spki', format: 'der' }))
    } catch {
      throw new MayflyError('CERTIFICATE_INVALID', 'not a PKCS#8 private key') // the cause is left out: it could quote the key
    }
    const kind = keyKindOf(spki)
    if (kind === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'a private key of a kind that is not supported')
    return new PrivateKey(kind, spki, keyObject)
  }

  /** Of the form that {@link toPem} gives. @throws {MayflyError} CERTIFICATE_INVALID */
  static fromPem(text: string): PrivateKey {
    return PrivateKey.fromPkcs8(decodePrivateKeyPem(text))
  }

  /** Secret bytes. */
  toPkcs8(): Uint8Array {
    const der = this.keyObject.export({ type: 'pkcs8', format: 'der' })
    return new Uint8Array(der.buffer, der.byteOffset, der.byteLength) // the only copy: whoever asked may wipe it
  }

  /** Secret text: the form in files, one `PRIVATE KEY` block. */
  toPem(): string {
    return encodePem('PRIVATE KEY', this.toPkcs8())
  }

  /** Signature in the form that X.509 carries: ECDSA as DER with SHA-256 (P-384: SHA-384), RSA PKCS#1 v1.5 with SHA-256, Ed25519. */
  sign(data: Uint8Array): Uint8Array {
    return new Uint8Array(sign(digestOf(this.kind), viewOf(data), this.keyObject))
  }

  toJSON(): string {
    return '[secret]'
  }

  toString(): string {
    return '[secret]'
  }
}
