import { decodeSerial } from '../../src/core/serial.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { crlEntry, type CrlReason } from '../../src/x509/crl.ts'

interface Minute {
  /** Shard and index of those that are in it, as one number. */
  readonly places: Set<number>
  /** Whole entries one after another; filled up to `used`. */
  bytes: Uint8Array
  used: number
}

const firstBytes = 512
/** Above any index. */
const places = 2 ** 32

/**
 * What the list of one authority names: entries one after another, in a buffer for each minute in which certificates end, so that half a million take tens of megabytes and a
 * list is made of a few copies. An entry stays as it was written first: a certificate that was superseded and then revoked is listed as superseded.
 */
export class CrlEntries {
  readonly #minutes = new Map<number, Minute>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param serial 34 hexadecimal digits @throws {MayflyError} INTERNAL when it is none of ours */
  add(serial: string, revokedAtMs: number, reason: CrlReason): void {
    const bytes = Buffer.from(serial, 'hex')
    const place = decodeSerial(bytes)
    if (place === undefined) throw new MayflyError('INTERNAL', 'a serial of the ledger has another form')
    const minute = this.#minutes.get(place.minute) ?? { places: new Set(), bytes: new Uint8Array(firstBytes), used: 0 }
    this.#minutes.set(place.minute, minute)
    const name = place.shard * places + place.index
    if (minute.places.has(name)) return
    minute.places.add(name)
    append(minute, crlEntry(bytes, revokedAtMs, reason))
    this.#size++
  }

  /** All of them, DER, in a few pieces. */
  get der(): readonly Uint8Array[] {
    return [...this.#minutes.values()].map(({ bytes, used }) => bytes.subarray(0, used))
  }

  /** Drops those of certificates that ended before. */
  dropBefore(notAfterMs: number): void {
    for (const [minute, { places: dropped }] of this.#minutes) {
      if ((minute + 1) * 60_000 > notAfterMs) continue
      this.#minutes.delete(minute)
      this.#size -= dropped.size
    }
  }
}

function append(minute: Minute, entry: Uint8Array): void {
  if (minute.used + entry.length > minute.bytes.length) {
    const grown = new Uint8Array(Math.max(minute.bytes.length * 2, entry.length))
    grown.set(minute.bytes.subarray(0, minute.used))
    minute.bytes = grown
  }
  minute.bytes.set(entry, minute.used)
  minute.used += entry.length
}
