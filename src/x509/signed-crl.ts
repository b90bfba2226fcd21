import { compareBytes, equalBytes, toHex } from '../core/bytes.ts'
import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, tag } from '../core/der/tag.ts'
import { readTime } from '../core/der/time.ts'
import { MayflyError } from '../core/errors.ts'
import { readAlgorithm } from './algorithm.ts'
import { parseCertificate } from './certificate.ts'
import { maxCrlBytes } from './crl.ts'
import { keyUsageBit, noExtensions, readExtensions } from './extensions.ts'
import { authorityIdOf } from './fingerprint.ts'
import { readName } from './name.ts'
import { verifyBytes } from './signature.ts'

/**
 * A full list of revoked certificates as some authority made it, read strictly and verified: version 2, of that authority's name and key, for all that it issued
 * (RFC 5280 5 and 6.3). Whether it is current is asked at each check.
 */
export class SignedCrl {
  /** SHA-256 of the SubjectPublicKeyInfo of the authority, lower-case hexadecimal. */
  readonly authorityId: string
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  readonly #serials: ReadonlySet<string>

  private constructor(authorityId: string, { thisUpdateMs, nextUpdateMs, serials }: CrlContent) {
    this.authorityId = authorityId
    this.thisUpdateMs = thisUpdateMs
    this.nextUpdateMs = nextUpdateMs
    this.#serials = serials
  }

  /** @param der the list; @param authority the certificate of whoever must have signed it, DER. @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID: not a list, or not this authority's */
  static of(der: Uint8Array, authority: Uint8Array): SignedCrl {
    const issuer = parseCertificate(authority)
    const { keyUsage, subjectKeyId, basicConstraints } = issuer.extensions
    if (basicConstraints?.ca !== true || keyUsage === undefined || (keyUsage.bits & keyUsageBit.cRLSign) === 0) return invalid('its issuer may not sign lists: cRLSign is not set')
    const read = readCrl(der)
    if (!equalBytes(read.issuer, issuer.subject)) return invalid('it is of another issuer')
    if (read.authorityKeyId !== undefined && subjectKeyId !== undefined && !equalBytes(read.authorityKeyId, subjectKeyId)) return invalid('it names another key of its issuer')
    if (!verifyBytes(issuer.spki, read.algorithm, read.tbs, read.signature)) return invalid('its signature does not verify')
    return new SignedCrl(authorityIdOf(issuer.spki), read)
  }

  /** @param serial magnitude, big endian, as a certificate has it */
  lists(serial: Uint8Array): boolean {
    return this.#serials.has(toHex(serial))
  }

  /** Whether it says anything at this time; past its nextUpdate it does not. */
  isCurrent(nowMs: number): boolean {
    return nowMs >= this.thisUpdateMs && nowMs <= this.nextUpdateMs
  }
}

interface CrlContent {
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  readonly serials: ReadonlySet<string>
}

interface ReadCrl extends CrlContent {
  readonly tbs: Uint8Array
  readonly algorithm: ReturnType<typeof readAlgorithm>
  readonly signature: Uint8Array
  readonly issuer: Uint8Array
  readonly authorityKeyId: Uint8Array | undefined
}

function readCrl(der: Uint8Array): ReadCrl {
  if (der.length > maxCrlBytes) return invalid(`it is longer than ${maxCrlBytes} bytes`)
  const outer = DerReader.inside(der)
  const start = outer.mark()
  const tbs = outer.enter(tag.sequence)
  const tbsBytes = outer.since(start)
  const outerAlgorithm = outer.readWhole(tag.sequence)
  const signature = outer.readBitString()
  outer.finish()

  if (tbs.readSmallInteger() !== 1) return invalid('it is not of version 2')
  const algorithmAt = tbs.mark()
  const algorithm = readAlgorithm(tbs)
  if (compareBytes(tbs.since(algorithmAt), outerAlgorithm) !== 0) return invalid('its two signature algorithms differ')
  const issuer = readName(tbs)
  const thisUpdateMs = readTime(tbs)
  if (tbs.peek() !== tag.utcTime && tbs.peek() !== tag.generalizedTime) return invalid('it does not say when the next one comes')
  const nextUpdateMs = readTime(tbs)
  const serials = readEntries(tbs)
  const wrapped = tbs.enterIf(constructedContextTag(0))
  const { authorityKeyId, unknownCritical } = wrapped === undefined ? noExtensions : readExtensions(wrapped)
  wrapped?.finish()
  tbs.finish()
  // among them: a list of changes only, and one of a part of what was issued
  if (unknownCritical.length > 0) return invalid(`it has a critical extension that is not known: ${unknownCritical[0] ?? ''}`)
  return { tbs: tbsBytes, algorithm, signature, issuer, authorityKeyId, thisUpdateMs, nextUpdateMs, serials }
}

function readEntries(tbs: DerReader): ReadonlySet<string> {
  const serials = new Set<string>()
  const listed = tbs.enterIf(tag.sequence)
  while (listed !== undefined && !listed.done) {
    const entry = listed.enter(tag.sequence)
    const serial = entry.readInteger()
    serials.add(toHex(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial))
    readTime(entry)
    // a critical one is that of another issuer's certificate
    if (!entry.done && readExtensions(entry).unknownCritical.length > 0) return invalid('an entry has a critical extension that is not known')
    entry.finish()
  }
  return serials
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a list of revoked certificates that can be relied on: ${why}`)
}
