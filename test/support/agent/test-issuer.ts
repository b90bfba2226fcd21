import { derOid } from '../../../src/core/der/oid.ts'
import { derBitString, derBoolean, derNamedBits, derOctetString, derSequence, derUnsigned, derValue, asciiBytes } from '../../../src/core/der/writer.ts'
import { derTime } from '../../../src/core/der/time.ts'
import { encodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { verifyCsr } from '../../../src/x509/csr.ts'
import { sha256 } from '../../../src/x509/fingerprint.ts'
import { derName, emptyName } from '../../../src/x509/name.ts'
import { oid } from '../../../src/x509/oids.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

const ecdsaWithSha256 = derSequence(derOid(oid.ecdsaWithSha256))

/** An authority of a test that signs well-formed X.509-SVIDs for whatever ID it is told. */
export class TestIssuer {
  readonly #key = PrivateKey.generate()
  readonly #name = derName({ organization: 'test' })
  readonly certificate: Uint8Array
  #index = 0

  constructor(trustDomain: string, nowMs: number) {
    const keyId = sha256(this.#key.spki).subarray(0, 20)
    this.certificate = this.#certificate(Uint8Array.of(1), this.#name, this.#key.spki, wholeSecond(nowMs) - 60_000, wholeSecond(nowMs) + 30 * 86_400_000, [
      extension(oid.basicConstraints, true, derSequence(derBoolean(true))),
      extension(oid.keyUsage, true, derNamedBits(0x20 | 0x40)),
      extension(oid.subjectAltName, false, derSequence(derValue(0x86, asciiBytes(`spiffe://${trustDomain}`)))),
      extension(oid.subjectKeyIdentifier, false, derOctetString(keyId)),
    ])
  }

  /** A leaf for the key that the request proves. */
  sign(csr: Uint8Array, spiffeId: string, nowMs: number, ttlMs: number): Uint8Array {
    const { spki } = verifyCsr(csr)
    const notAfterMs = Math.floor((nowMs + ttlMs) / 1_000) * 1_000
    const serial = encodeSerial({ shard: 1, minute: minuteOf(notAfterMs), index: this.#index++, random: new Uint8Array(8) })
    return this.#certificate(serial, emptyName, spki, Math.floor(nowMs / 1_000) * 1_000 - 10_000, notAfterMs, [
      extension(oid.basicConstraints, true, derSequence()),
      extension(oid.keyUsage, true, derNamedBits(0x1)),
      extension(oid.extKeyUsage, false, derSequence(derOid(oid.serverAuth), derOid(oid.clientAuth))),
      extension(oid.subjectAltName, true, derSequence(derValue(0x86, asciiBytes(spiffeId)))),
      extension(oid.authorityKeyIdentifier, false, derSequence(derValue(0x80, sha256(this.#key.spki).subarray(0, 20)))),
    ])
  }

  #certificate(serial: Uint8Array, subject: Uint8Array, spki: Uint8Array, notBeforeMs: number, notAfterMs: number, extensions: readonly Uint8Array[]): Uint8Array {
    const tbs = derSequence(
      derValue(0xa0, derUnsigned(Uint8Array.of(2))),
      derUnsigned(serial),
      ecdsaWithSha256,
      this.#name,
      derSequence(derTime(notBeforeMs), derTime(notAfterMs)),
      subject,
      spki,
      derValue(0xa3, derSequence(...extensions)),
    )
    return derSequence(tbs, ecdsaWithSha256, derBitString(this.#key.sign(tbs)))
  }
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(id), ...(critical ? [derBoolean(true)] : []), derOctetString(value))
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}
