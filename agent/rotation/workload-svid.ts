import { concatBytes, equalBytes, toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'
import type { Moment } from './moment.ts'

/** An X.509-SVID with its key, as the server signed it for an entry; prints without its key. */
export class WorkloadSvid {
  readonly entryId: string
  /** Of the entry, when it was asked for. */
  readonly revision: number
  readonly spiffeId: SpiffeId
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The chain as the Workload API carries it: DER one after another (WX-03). */
  readonly chainDer: Buffer
  readonly serial: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** By the clock that never goes back: when its life ends, however the wall clock is set. */
  readonly endsAtBootMs: number
  readonly #pkcs8: Buffer

  private constructor(request: SvidRequest, chain: readonly Uint8Array[], leaf: { serial: Uint8Array; notBeforeMs: number; notAfterMs: number }, now: Moment) {
    this.entryId = request.entryId
    this.revision = request.revision
    this.spiffeId = request.spiffeId
    this.chain = chain
    this.chainDer = Buffer.from(concatBytes(...chain))
    const pkcs8 = request.key.toPkcs8()
    this.#pkcs8 = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength)
    this.serial = leaf.serial
    this.notBeforeMs = leaf.notBeforeMs
    this.notAfterMs = leaf.notAfterMs
    this.endsAtBootMs = now.bootMs + (leaf.notAfterMs - now.nowMs)
  }

  /**
   * Takes what the server signed, if it is what was asked for: this key, this SPIFFE ID, still valid. That it chains to
   * the bundle is for the caller to check. @throws {MayflyError} CERTIFICATE_INVALID, CLOCK_JUMPED
   */
  static of(request: SvidRequest, chain: readonly Uint8Array[], now: Moment): WorkloadSvid {
    const [leafDer] = chain
    if (leafDer === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'the server answered without a certificate')
    const leaf = parseCertificate(leafDer)
    const uris = leaf.extensions.subjectAltName?.uris ?? []
    if (uris.length !== 1 || uris[0] !== request.spiffeId) throw new MayflyError('CERTIFICATE_INVALID', 'the server signed another SPIFFE ID than the entry has')
    if (!equalBytes(leaf.spki, request.key.spki)) throw new MayflyError('CERTIFICATE_INVALID', 'the server signed another key than it was sent')
    if (leaf.notAfterMs <= now.nowMs) {
      throw new MayflyError('CLOCK_JUMPED', 'a new SVID has already expired by the clock of this host', { hint: 'set the clock of the agent or of the server' })
    }
    return new WorkloadSvid(request, chain, leaf, now)
  }

  /** Unencrypted PKCS#8, secret (WX-04). */
  get pkcs8(): Buffer {
    return this.#pkcs8
  }

  /** Overwrites the key: nobody is handed it any more. */
  wipe(): void {
    this.#pkcs8.fill(0)
  }

  get serialHex(): string {
    return toHex(this.serial)
  }

  /** Whether its life is over by either clock. */
  isExpired(now: Moment): boolean {
    return now.nowMs > this.notAfterMs || now.bootMs > this.endsAtBootMs
  }

  toJSON(): object {
    return { entryId: this.entryId, spiffeId: this.spiffeId, serial: this.serialHex, notAfterMs: this.notAfterMs }
  }
}

/** What was asked for. */
export interface SvidRequest {
  readonly entryId: string
  readonly revision: number
  readonly spiffeId: SpiffeId
  readonly key: PrivateKey
}
