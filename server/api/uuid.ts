import { toHex } from '../../src/core/bytes.ts'
import type { Random } from '../../src/ports/random.ts'

const countsPerMs = 4_096

/** UUIDs of version 7 that rise in the order they are made (RFC 9562 5.7 and 6.2, method 1), also within one ms and when the clock steps back: that order is the order of a workload's identities. */
export class RisingUuids {
  readonly #random: Random
  #ms = 0
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(nowMs: number): string {
    this.#count = nowMs > this.#ms ? 0 : this.#count + 1
    this.#ms = Math.max(this.#ms, nowMs)
    if (this.#count === countsPerMs) {
      this.#ms++
      this.#count = 0
    }
    const bytes = new Uint8Array(16)
    const view = new DataView(bytes.buffer)
    bytes.set(this.#random.bytes(8), 8)
    view.setUint32(0, Math.floor(this.#ms / 0x1_0000))
    view.setUint16(4, this.#ms % 0x1_0000)
    view.setUint16(6, 0x7000 | this.#count)
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    const hex = toHex(bytes)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
}
