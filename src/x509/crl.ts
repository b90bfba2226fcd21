import { derOid } from '../core/der/oid.ts'
import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, primitiveContextTag, tag } from '../core/der/tag.ts'
import { derTime, readTime } from '../core/der/time.ts'
import { derBitString, derOctetString, derSequence, derUnsigned, derValue } from '../core/der/writer.ts'
import { MayflyError } from '../core/errors.ts'
import { readAlgorithm } from './algorithm.ts'
import { readName } from './name.ts'
import { oid } from './oids.ts'
import { signatureAlgorithmOf } from './signature.ts'
import type { SigningKey } from './signing-key.ts'

/** Why a certificate is listed: RFC 5280 5.3.1. */
export type CrlReason = 'unspecified' | 'keyCompromise' | 'superseded' | 'cessationOfOperation'

const reasonNumbers: Readonly<Record<CrlReason, number>> = { unspecified: 0, keyCompromise: 1, superseded: 4, cessationOfOperation: 5 }

/** What a list says beside its entries. */
export interface CrlTerms {
  /** The issuer's subject, DER. */
  readonly issuer: Uint8Array
  /** The issuer's subject key identifier. */
  readonly issuerKeyId: Uint8Array
  /** Rises with every list of the issuer; orders them where whole seconds do not. */
  readonly number: bigint
  /** Whole seconds. */
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
}

const version2 = derUnsigned(Uint8Array.of(1))
/** Longest list that is written or read: over a million entries. */
export const maxCrlBytes = 67_108_863

/** One entry of a list, DER, made once and kept: lists grow by appending. @param serial magnitude, big endian */
export function crlEntry(serial: Uint8Array, revokedAtMs: number, reason: CrlReason = 'unspecified'): Uint8Array {
  const extensions = reason === 'unspecified' ? [] : [derSequence(extension(oid.crlReason, derValue(tag.enumerated, Uint8Array.of(reasonNumbers[reason]))))]
  return derSequence(derUnsigned(serial), derTime(wholeSeconds(revokedAtMs)), ...extensions)
}

/**
 * A full list of version 2 for one issuer, signed by its key: entries as they are given, one or more in each piece, authority key identifier and number, no issuing
 * distribution point, no delta. Returns DER. @throws {MayflyError} LIMIT_EXCEEDED over 64 MiB, and what the key throws
 */
export async function buildCrl(terms: CrlTerms, entries: readonly Uint8Array[], key: Pick<SigningKey, 'kind' | 'sign'>): Promise<Uint8Array> {
  const algorithm = signatureAlgorithmOf(key.kind)
  const listed = Buffer.concat(entries)
  if (listed.length > maxCrlBytes - 4_096) throw new MayflyError('LIMIT_EXCEEDED', `a list of ${listed.length} bytes of revoked certificates is too long to write`)
  const toBeSigned = derSequence(
    version2,
    algorithm,
    terms.issuer,
    derTime(wholeSeconds(terms.thisUpdateMs)),
    derTime(wholeSeconds(terms.nextUpdateMs)),
    ...(entries.length === 0 ? [] : [derValue(tag.sequence, listed)]), // absent when empty: RFC 5280 5.1.2.6
    derValue(
      constructedContextTag(0),
      derSequence(
        extension(oid.authorityKeyIdentifier, derSequence(derValue(primitiveContextTag(0), terms.issuerKeyId))),
        extension(oid.crlNumber, derUnsigned(bytesOf(terms.number))),
      ),
    ),
  )
  return derSequence(toBeSigned, algorithm, derBitString(await key.sign(toBeSigned)))
}

/** A list taken apart as far as mayfly writes one; its signature is not looked at. */
export interface ParsedCrl {
  readonly issuer: Uint8Array
  readonly number: bigint
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  /** Magnitudes of the serials listed. */
  readonly serials: readonly Uint8Array[]
}

/** @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID for a list of another form */
export function parseCrl(der: Uint8Array): ParsedCrl {
  const outer = DerReader.inside(der)
  const tbs = outer.enter(tag.sequence)
  if (tbs.readSmallInteger() !== 1) throw new MayflyError('CERTIFICATE_INVALID', 'not a list of version 2')
  readAlgorithm(tbs)
  const issuer = readName(tbs)
  const thisUpdateMs = readTime(tbs)
  const nextUpdateMs = readTime(tbs)
  const serials: Uint8Array[] = []
  const listed = tbs.peek() === tag.sequence ? tbs.enter(tag.sequence) : undefined
  while (listed !== undefined && !listed.done) {
    const entry = listed.enter(tag.sequence)
    const serial = entry.readInteger()
    serials.push(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial)
    readTime(entry)
  }
  const extensions = tbs.enter(constructedContextTag(0)).enter(tag.sequence)
  let number: bigint | undefined
  while (!extensions.done) {
    const item = extensions.enter(tag.sequence)
    const isNumber = Buffer.from(item.readWhole(tag.oid)).equals(derOid(oid.crlNumber))
    if (item.peek() === tag.boolean) item.readWhole()
    const value = DerReader.over(item.read(tag.octetString))
    if (isNumber) number = BigInt(`0x${Buffer.from(value.readInteger()).toString('hex')}`)
  }
  if (number === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'a list without a number')
  return { issuer, number, thisUpdateMs, nextUpdateMs, serials }
}

function extension(type: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(type), derOctetString(value))
}

function bytesOf(number: bigint): Uint8Array {
  const text = number.toString(16)
  return Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}
