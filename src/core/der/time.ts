import { MayflyError } from '../errors.ts'
import type { DerReader } from './reader.ts'
import { tag } from './tag.ts'
import { derAscii } from './writer.ts'

/** First moment that must be a GeneralizedTime: 2050-01-01T00:00:00Z. */
const generalizedFromMs = 2_524_608_000_000

/**
 * Reads `Time` by RFC 5280 4.1.2.5: UTCTime `YYMMDDHHMMSSZ` through 2049, GeneralizedTime `YYYYMMDDHHMMSSZ` from 2050,
 * Zulu, with seconds and no fraction. Returns ms since the epoch. @throws {MayflyError} DER_INVALID
 */
export function readTime(reader: DerReader): number {
  const generalized = reader.peek() === tag.generalizedTime
  const content = reader.read(generalized ? tag.generalizedTime : tag.utcTime)
  const digits = generalized ? 14 : 12
  if (content.length !== digits + 1 || content[digits] !== 0x5a) invalid('its form')
  const pair = (at: number): number => {
    const tens = (content[at] ?? 0) - 0x30
    const ones = (content[at + 1] ?? 0) - 0x30
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) invalid('a digit')
    return tens * 10 + ones
  }
  const at = generalized ? 4 : 2
  const year = generalized ? pair(0) * 100 + pair(2) : pair(0) + (pair(0) >= 50 ? 1900 : 2000)
  const [month, day, hour, minute, second] = [pair(at), pair(at + 2), pair(at + 4), pair(at + 6), pair(at + 8)]
  const ms = Date.UTC(year, month - 1, day, hour, minute, second)
  const real = new Date(ms)
  if (year < 1000 || real.getUTCMonth() !== month - 1 || real.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) invalid('no such moment')
  if (generalized && ms < generalizedFromMs) invalid('a moment before 2050 is not a UTCTime')
  return ms
}

/** `Time` of a moment in whole seconds, UTCTime before 2050. @throws {MayflyError} DER_INVALID for milliseconds, before 1950 or after 9999 */
export function derTime(ms: number): Uint8Array {
  if (!Number.isSafeInteger(ms) || ms % 1_000 !== 0) invalid('not in whole seconds')
  const date = new Date(ms)
  const year = date.getUTCFullYear()
  if (!(year >= 1950 && year <= 9999)) invalid('its year is out of range')
  const rest = `${two(date.getUTCMonth() + 1)}${two(date.getUTCDate())}${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}Z`
  return ms < generalizedFromMs ? derAscii(tag.utcTime, two(year % 100) + rest) : derAscii(tag.generalizedTime, `${year}${rest}`)
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}

function invalid(why: string): never {
  throw new MayflyError('DER_INVALID', `not a time: ${why}`)
}
