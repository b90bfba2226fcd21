import { fromHex, toHex } from '../core/bytes.ts'
import type { SerialUse } from '../core/revocation/reports.ts'
import { serialBytes } from '../core/serial.ts'

/** Beyond so many credentials the oldest count is dropped: it is for people to look at, and no check waits for it. */
const maxSerials = 10_000

/** Counts checks that came out the same, by credential, until they are reported. */
export class UseCounter {
  readonly #counts = new Map<string, { firstMs: number; lastMs: number; count: number }>()

  /** A serial that is not mayfly's is passed over. */
  add(serial: Uint8Array, nowMs: number): void {
    if (serial.length !== serialBytes) return
    const name = toHex(serial)
    const known = this.#counts.get(name)
    if (known === undefined) {
      if (this.#counts.size >= maxSerials) for (const oldest of this.#counts.keys()) { this.#counts.delete(oldest); break }
      this.#counts.set(name, { firstMs: nowMs, lastMs: nowMs, count: 1 })
      return
    }
    known.firstMs = Math.min(known.firstMs, nowMs)
    known.lastMs = Math.max(known.lastMs, nowMs)
    known.count = Math.min(known.count + 1, 0xffff_ffff)
  }

  /** The oldest of them, which are then forgotten here. */
  take(most: number): SerialUse[] {
    const taken = [...this.#counts].slice(0, most)
    for (const [name] of taken) this.#counts.delete(name)
    return taken.map(([name, { firstMs, lastMs, count }]) => ({ serial: fromHex(name) ?? new Uint8Array(serialBytes), firstMs, lastMs, count })) // made by toHex
  }

  get size(): number {
    return this.#counts.size
  }
}
