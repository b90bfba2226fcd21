import { equalBytes } from '../bytes.ts'
import { MayflyError } from '../errors.ts'
import { tag } from './tag.ts'
import { derValue } from './writer.ts'

const maxOidBytes = 64

/** Dotted text of an OBJECT IDENTIFIER's content octets; arcs of any size (2.25.<uuid>). @throws {MayflyError} DER_INVALID */
export function formatOid(content: Uint8Array): string {
  const slot = slotOf(content)
  const known = recent[slot]
  if (known !== undefined && equalBytes(known.content, content)) return known.text
  const text = textOf(content)
  recent[slot] = { content: content.slice(), text }
  return text
}

/** The last identifier seen with each hash: certificates repeat the same dozen, and their texts were a tenth of the cost of reading one. */
const recent: ({ readonly content: Uint8Array; readonly text: string } | undefined)[] = Array.from({ length: 256 }, () => undefined)

function slotOf(content: Uint8Array): number {
  let hash = content.length
  for (let at = 0; at < content.length && at < 16; at++) hash = (hash * 31 + (content[at] ?? 0)) & 0xff
  return hash
}

function textOf(content: Uint8Array): string {
  if (content.length === 0 || content.length > maxOidBytes) invalid('its length is out of range')
  let text = ''
  let arc: number | bigint = 0
  let fresh = true
  for (const octet of content) {
    if (fresh && octet === 0x80) invalid('an arc is not minimal')
    arc = typeof arc === 'number' && arc < 2 ** 24 ? arc * 128 + (octet & 0x7f) : BigInt(arc) * 128n + BigInt(octet & 0x7f)
    fresh = octet < 0x80
    if (!fresh) continue
    text = text === '' ? firstTwoArcs(arc) : `${text}.${arc}`
    arc = 0
  }
  if (!fresh) invalid('its last arc is cut off')
  return text
}

/** A whole OBJECT IDENTIFIER value of dotted text. @throws {MayflyError} DER_INVALID */
export function derOid(text: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9][0-9]*))+$/.test(text)) invalid('its text is malformed')
  const [first = 0n, second = 0n, ...rest] = text.split('.').map(BigInt)
  if (first < 2n && second > 39n) invalid('its second arc is out of range')
  const content = [first * 40n + second, ...rest].flatMap(octetsOfArc)
  return derValue(tag.oid, Uint8Array.from(content))
}

function firstTwoArcs(joined: number | bigint): string {
  const first = joined < 40 ? 0 : joined < 80 ? 1 : 2
  return `${first}.${typeof joined === 'number' ? joined - first * 40 : joined - BigInt(first * 40)}`
}

function octetsOfArc(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return octets
}

function invalid(why: string): never {
  throw new MayflyError('DER_INVALID', `not an object identifier: ${why}`)
}
