import { MayflyError } from '../errors.ts'
import { tag } from './tag.ts'

const maxDepth = 16

/**
 * Reads DER from front to back and never past its end: definite, minimal lengths, one-octet tags, bounded depth.
 * What it returns are views into the bytes it was given, not copies. Every method throws MayflyError DER_INVALID.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #depth: number
  #at: number

  private constructor(bytes: Uint8Array, at: number, end: number, depth: number) {
    if (depth > maxDepth) invalid('nested too deep')
    this.#bytes = bytes
    this.#at = at
    this.#end = end
    this.#depth = depth
  }

  /** Over several values, one after another. */
  static over(bytes: Uint8Array): DerReader {
    return new DerReader(bytes, 0, bytes.length, 0)
  }

  /** Inside the one value that `bytes` is; nothing may follow it. */
  static inside(bytes: Uint8Array, expected: number = tag.sequence): DerReader {
    const outer = DerReader.over(bytes)
    const inner = outer.enter(expected)
    outer.finish()
    return inner
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  /** The next identifier octet; `undefined` at the end. */
  peek(): number | undefined {
    return this.done ? undefined : this.#bytes[this.#at]
  }

  /** The content of the next value, which must have this tag. */
  read(expected: number): Uint8Array {
    const contentAt = this.#header(expected)
    return this.#bytes.subarray(contentAt, this.#at)
  }

  /** The next value with its header, whatever its tag unless one is given. */
  readWhole(expected?: number): Uint8Array {
    const start = this.#at
    this.#header(expected)
    return this.#bytes.subarray(start, this.#at)
  }

  /** A reader of what is inside the next value, which must have this tag. */
  enter(expected: number): DerReader {
    const contentAt = this.#header(expected)
    return new DerReader(this.#bytes, contentAt, this.#at, this.#depth + 1)
  }

  /** As {@link enter} when the next value has this tag, else `undefined`. */
  enterIf(expected: number): DerReader | undefined {
    return this.peek() === expected ? this.enter(expected) : undefined
  }

  /** A position for {@link since}. */
  mark(): number {
    return this.#at
  }

  /** All bytes that were read since the mark. */
  since(mark: number): Uint8Array {
    return this.#bytes.subarray(mark, this.#at)
  }

  /** @throws when something follows what was read */
  finish(): void {
    if (!this.done) invalid('something follows the last value')
  }

  readBoolean(): boolean {
    const content = this.read(tag.boolean)
    if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) invalid('a boolean is neither 00 nor ff')
    return content[0] === 0xff
  }

  /** Two's complement content octets, minimal. */
  readInteger(): Uint8Array {
    const content = this.read(tag.integer)
    const [first, second] = content
    if (first === undefined) return invalid('an integer is empty')
    if (second !== undefined && ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80))) invalid('an integer is not minimal')
    return content
  }

  /** An integer of 0..2³¹-1. */
  readSmallInteger(): number {
    const content = this.readInteger()
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) invalid('an integer is out of range')
    return content.reduce((value, byte) => value * 256 + byte, 0)
  }

  /** A bit string of whole octets. */
  readBitString(): Uint8Array {
    const content = this.read(tag.bitString)
    if (content[0] !== 0) invalid('a bit string is not of whole octets')
    return content.subarray(1)
  }

  /** A bit string of named bits: bit n of the result is bit n of the string. Trailing zero bits are refused, as DER wants; so are more than 16. */
  readNamedBits(): number {
    const [unused, ...octets] = this.read(tag.bitString)
    if (unused === undefined || unused > 7 || octets.length > 2) return invalid('named bits are malformed')
    const last = octets.at(-1)
    if (last === undefined) return unused === 0 ? 0 : invalid('named bits are malformed')
    if ((last & ((1 << unused) - 1)) !== 0 || (last & (1 << unused)) === 0) invalid('named bits have trailing zeros')
    let bits = 0
    for (const [index, octet] of octets.entries()) {
      for (let bit = 0; bit < 8; bit++) if ((octet & (0x80 >> bit)) !== 0) bits |= 1 << (index * 8 + bit)
    }
    return bits
  }

  #header(expected: number | undefined): number {
    const bytes = this.#bytes
    const identifier = this.#octet()
    if (expected !== undefined && identifier !== expected) invalid(`expected tag ${hex(expected)}, found ${hex(identifier)}`)
    if ((identifier & 0x1f) === 0x1f) invalid('a tag has more than one octet')
    const first = this.#octet()
    let length = first
    if (first >= 0x80) {
      const count = first & 0x7f
      if (count === 0 || count > 4) invalid('a length is indefinite or too long')
      length = 0
      for (let octet = 0; octet < count; octet++) length = length * 256 + this.#octet()
      if (length < 0x80 || length < 2 ** (8 * (count - 1))) invalid('a length is not minimal')
    }
    const contentAt = this.#at
    if (length > this.#end - contentAt || contentAt + length > bytes.length) invalid('a value is cut off')
    this.#at = contentAt + length
    return contentAt
  }

  #octet(): number {
    const octet = this.#at < this.#end ? this.#bytes[this.#at] : undefined
    if (octet === undefined) return invalid('a value is cut off')
    this.#at++
    return octet
  }
}

function invalid(why: string): never {
  throw new MayflyError('DER_INVALID', `not DER: ${why}`)
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0')
}
