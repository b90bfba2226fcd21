const maxSafe = 0x1f_ffff_ffff_ffff

/** Reads big-endian fields. Past the end every read gives zero and `ok` turns false for good: check it once, after the fields. */
export class ByteReader {
  #bytes: Uint8Array
  #view: DataView
  #at = 0
  #ok = true

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get ok(): boolean {
    return this.#ok
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  get position(): number {
    return this.#at
  }

  u8(): number {
    return this.#take(1) ? this.#view.getUint8(this.#at - 1) : 0
  }

  u16(): number {
    return this.#take(2) ? this.#view.getUint16(this.#at - 2) : 0
  }

  u32(): number {
    return this.#take(4) ? this.#view.getUint32(this.#at - 4) : 0
  }

  /** A u64 that a JavaScript number holds exactly; a greater one turns `ok` false. */
  u64(): number {
    if (!this.#take(8)) return 0
    const value = this.#view.getUint32(this.#at - 8) * 0x1_0000_0000 + this.#view.getUint32(this.#at - 4)
    if (value > maxSafe) this.#ok = false
    return this.#ok ? value : 0
  }

  /** A view on the input, not a copy. */
  bytes(length: number): Uint8Array {
    return this.#take(length) ? this.#bytes.subarray(this.#at - length, this.#at) : new Uint8Array(0)
  }

  /** What lies between `from` and the present position: a view. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#at)
  }

  #take(length: number): boolean {
    if (!this.#ok || this.#at + length > this.#bytes.length) this.#ok = false
    else this.#at += length
    return this.#ok
  }
}

/** Writes big-endian fields into a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    const at = this.#grow(1) // first: it may put another view in place
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.#grow(2)
    this.#view.setUint16(at, value)
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
  }

  /** A safe integer, as u64. */
  u64(value: number): void {
    const at = this.#grow(8)
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000))
    this.#view.setUint32(at + 4, value % 0x1_0000_0000)
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** What was written, in a buffer of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #grow(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}
