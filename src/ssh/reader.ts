/** Why bytes are not what they should be; callers turn it into their own code. */
export class SshFormatError extends Error {
  override readonly name = 'SshFormatError'
}

/** Reads the wire format of RFC 4251 5, strictly: nothing may be missing, and `end` refuses what is left over. */
export class SshReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  bytes(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new SshFormatError('it ends too early')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  /** A place to measure from with {@link since}. */
  mark(): number {
    return this.#at
  }

  since(mark: number): Uint8Array {
    return this.#bytes.subarray(mark, this.#at)
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0
  }

  uint32(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.bytes(4)
    return a * 0x1_00_00_00 + b * 0x1_00_00 + c * 0x1_00 + d
  }

  uint64(): bigint {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
  }

  /** A `string`: bytes with their length before them. */
  string(): Uint8Array {
    return this.bytes(this.uint32())
  }

  /** A `string` of printable ASCII, as names are. */
  name(): string {
    const text = Buffer.from(this.string()).toString('latin1')
    if (!/^[\x21-\x7e]{1,256}$/.test(text)) throw new SshFormatError('a name has other characters than printable ASCII')
    return text
  }

  /** An `mpint` that is positive, without its leading zero. */
  positive(): Uint8Array {
    const bytes = this.string()
    const [first = 0, second = 0] = bytes
    if (bytes.length === 0 || first > 0x7f) throw new SshFormatError('a number is zero or negative')
    if (first !== 0) return bytes
    if (bytes.length === 1 || second <= 0x7f) throw new SshFormatError('a number has a needless zero before it')
    return bytes.subarray(1)
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new SshFormatError('something follows its end')
  }
}

/** A `string` of the wire format. */
export function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
