import { concatBytes } from '../bytes.ts'
import { MayflyError } from '../errors.ts'
import { tag } from './tag.ts'

/** One DER value: identifier octet, minimal length, the parts one after another. */
export function derValue(identifier: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return concatBytes(derHeader(identifier, length), ...parts)
}

/** Identifier octet and length of a value whose content is `length` octets. */
export function derHeader(identifier: number, length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(identifier, length)
  if (length < 0x100) return Uint8Array.of(identifier, 0x81, length)
  if (length < 0x1_0000) return Uint8Array.of(identifier, 0x82, length >> 8, length & 0xff)
  if (length < 0x100_0000) return Uint8Array.of(identifier, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff)
  if (length < 0x1_0000_0000) return Uint8Array.of(identifier, 0x84, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
  throw new MayflyError('DER_INVALID', 'a DER value is too long to write')
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derValue(tag.sequence, ...parts)
}

/** SET OF: DER orders the parts by their encoding; this writer takes them in that order already. */
export function derSet(...parts: readonly Uint8Array[]): Uint8Array {
  return derValue(tag.set, ...parts)
}

/** INTEGER of a non-negative magnitude, big endian, any leading zeros dropped. */
export function derUnsigned(magnitude: Uint8Array): Uint8Array {
  let at = 0
  while (at < magnitude.length - 1 && magnitude[at] === 0) at++
  const digits = magnitude.subarray(at)
  if (digits.length === 0) return Uint8Array.of(tag.integer, 1, 0)
  return (digits[0] ?? 0) >= 0x80 ? derValue(tag.integer, Uint8Array.of(0), digits) : derValue(tag.integer, digits)
}

export function derBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(tag.boolean, 1, value ? 0xff : 0x00)
}

export function derOctetString(content: Uint8Array): Uint8Array {
  return derValue(tag.octetString, content)
}

/** BIT STRING of whole octets. */
export function derBitString(content: Uint8Array): Uint8Array {
  return derValue(tag.bitString, Uint8Array.of(0), content)
}

/** BIT STRING of named bits (bit n of `bits` is bit n of the string, at most 16), trailing zeros cut as DER wants. */
export function derNamedBits(bits: number): Uint8Array {
  const octets = new Uint8Array(2)
  let highest = -1
  for (let bit = 0; bit < 16; bit++) {
    if ((bits & (1 << bit)) === 0) continue
    octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
    highest = bit
  }
  return derValue(tag.bitString, Uint8Array.of(highest < 0 ? 0 : 7 - (highest & 7)), octets.subarray(0, (highest >> 3) + 1))
}

/** Characters of 7 bits under `identifier` (IA5String, or the same IMPLICIT). @throws {MayflyError} DER_INVALID for any other */
export function derAscii(identifier: number, text: string): Uint8Array {
  return derValue(identifier, asciiBytes(text))
}

export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) throw new MayflyError('DER_INVALID', 'a text has a character outside ASCII')
    bytes[at] = code
  }
  return bytes
}
