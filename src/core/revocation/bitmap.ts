/** A bitmap that grows; bits are only ever set. Bit i is `byte[i >> 3] & (1 << (i & 7))`. */
export class Bitmap {
  #bytes: Uint8Array
  /** Bytes up to and including the last that is not zero. */
  #used: number

  constructor(trimmed: Uint8Array = new Uint8Array(0)) {
    this.#bytes = trimmed.slice()
    this.#used = trimmed.length
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
  }

  /** True when the bit was not set before. */
  set(index: number): boolean {
    const at = index >> 3
    const mask = 1 << (index & 7)
    const byte = this.#bytes[at] ?? 0
    if ((byte & mask) !== 0) return false
    if (at >= this.#bytes.length) {
      const larger = new Uint8Array(Math.max(at + 1, Math.ceil(this.#bytes.length * 1.5), 8))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[at] = byte | mask
    if (at >= this.#used) this.#used = at + 1
    return true
  }

  /** Without trailing zero bytes; a view that later changes show through. */
  trimmed(): Uint8Array {
    return this.#bytes.subarray(0, this.#used)
  }

  /** Bytes held, spare ones included. */
  get heldBytes(): number {
    return this.#bytes.length
  }
}
