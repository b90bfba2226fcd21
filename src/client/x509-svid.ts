import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createPrivateKey } from 'node:crypto'
import { compareBytes, toHex } from '../core/bytes.ts'
import { DerReader } from '../core/der/reader.ts'
import { tag } from '../core/der/tag.ts'
import { MayflyError } from '../core/errors.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import { parseSpiffeId } from '../core/spiffe-id.ts'
import { svidOf } from '../verify/leaf.ts'
import { parseCertificate } from '../x509/certificate.ts'

/** An X.509-SVID with its key, as the Workload API gave it. */
export class X509Svid {
  readonly id: SpiffeId
  /** DER, leaf first. */
  readonly certificateChain: readonly Uint8Array[]
  readonly privateKey: KeyObject
  /** What the operator says it is for; empty when nothing. */
  readonly hint: string
  /** Hexadecimal. */
  readonly serial: string
  readonly notAfterMs: number

  private constructor(fields: Pick<X509Svid, 'id' | 'certificateChain' | 'privateKey' | 'hint' | 'serial' | 'notAfterMs'>) {
    this.id = fields.id
    this.certificateChain = fields.certificateChain
    this.privateKey = fields.privateKey
    this.hint = fields.hint
    this.serial = fields.serial
    this.notAfterMs = fields.notAfterMs
  }

  /**
   * Takes it in as it comes over the wire: the ID, the chain as concatenated DER, the key as PKCS#8. The leaf must be an SVID of that ID
   * and of that key; who signed it is not looked at. @throws {MayflyError} RESPONSE_INVALID
   */
  static fromWire(wire: { readonly spiffeId: string; readonly x509Svid: Uint8Array; readonly x509SvidKey: Uint8Array; readonly hint: string }): X509Svid {
    try {
      const id = parseSpiffeId(wire.spiffeId)
      const certificateChain = splitCertificates(wire.x509Svid)
      const [leafDer] = certificateChain
      if (leafDer === undefined) throw new MayflyError('RESPONSE_INVALID', 'an SVID without a certificate')
      const leaf = parseCertificate(leafDer)
      const svid = svidOf(leaf)
      if (svid.kind === 'malformed') throw new MayflyError('RESPONSE_INVALID', `the certificate is no SVID: ${svid.why}`)
      if (svid.id !== id) throw new MayflyError('RESPONSE_INVALID', `the certificate is that of ${svid.id} and not of ${id}`)
      const privateKey = createPrivateKey({ key: Buffer.from(wire.x509SvidKey), format: 'der', type: 'pkcs8' })
      const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
      if (compareBytes(spki, leaf.spki) !== 0) throw new MayflyError('RESPONSE_INVALID', 'the key is not that of the certificate')
      return new X509Svid({ id, certificateChain, privateKey, hint: wire.hint, serial: toHex(leaf.serial), notAfterMs: leaf.notAfterMs })
    } catch (failure) {
      if (failure instanceof MayflyError && failure.code === 'RESPONSE_INVALID') throw failure
      throw new MayflyError('RESPONSE_INVALID', `an SVID that cannot be read: ${failure instanceof MayflyError ? failure.message : 'its key'}`, { cause: failure })
    }
  }

  /** Without the key. */
  toJSON(): object {
    return { id: this.id, serial: this.serial, notAfterMs: this.notAfterMs, hint: this.hint, privateKey: '[secret]' }
  }
}

/** Certificates one after another, each checked to be one. @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID */
export function splitCertificates(concatenated: Uint8Array): readonly Uint8Array[] {
  const reader = DerReader.over(concatenated)
  const certificates: Uint8Array[] = []
  while (!reader.done) certificates.push(parseCertificate(reader.readWhole(tag.sequence)).raw)
  return certificates
}
