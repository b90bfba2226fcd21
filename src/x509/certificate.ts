import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, primitiveContextTag, tag } from '../core/der/tag.ts'
import { readTime } from '../core/der/time.ts'
import { compareBytes } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import { readAlgorithm, type Algorithm } from './algorithm.ts'
import { noExtensions, readExtensions, type Extensions } from './extensions.ts'
import { isEmptyName, readName } from './name.ts'

/** An X.509 v3 certificate taken apart. Nothing is verified: not its signature, not its time, not its names. The byte fields are views into `raw`. */
export interface Certificate {
  readonly raw: Uint8Array
  /** The to-be-signed part, with its header: what the signature is over. */
  readonly tbs: Uint8Array
  /** Magnitude of the serial number, big endian, 1 to 20 octets, without a leading zero unless it is zero. */
  readonly serial: Uint8Array
  /** The same inside and outside of the signed part. */
  readonly signatureAlgorithm: Algorithm
  readonly signature: Uint8Array
  /** Name, DER. */
  readonly issuer: Uint8Array
  /** Name, DER. */
  readonly subject: Uint8Array
  readonly subjectIsEmpty: boolean
  /** First moment of validity, inclusive, whole seconds. */
  readonly notBeforeMs: number
  /** Last moment of validity, inclusive, whole seconds. */
  readonly notAfterMs: number
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly extensions: Extensions
}

export const maxCertificateBytes = 65_536
const maxSerialBytes = 20

/** The signed part of a certificate, of which {@link Certificate} is the whole. */
export type ToBeSigned = Omit<Certificate, 'raw' | 'tbs' | 'signature'>

/** Parses strictly; at most 64 KiB, version 3, nothing trailing. @throws {MayflyError} CERTIFICATE_INVALID, DER_INVALID */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > maxCertificateBytes) invalid(`longer than ${maxCertificateBytes} bytes`)
  const outer = DerReader.inside(der)
  const start = outer.mark()
  const tbs = outer.enter(tag.sequence)
  const tbsBytes = outer.since(start)
  const algorithm = outer.readWhole(tag.sequence)
  const signature = outer.readBitString()
  outer.finish()
  const signed = readToBeSigned(tbs, algorithm)
  return { raw: der, tbs: tbsBytes, signature, ...signed }
}

/** As {@link parseCertificate}, of the part that is or will be signed. @throws {MayflyError} CERTIFICATE_INVALID, DER_INVALID */
export function parseToBeSigned(der: Uint8Array): ToBeSigned {
  if (der.length > maxCertificateBytes) invalid(`longer than ${maxCertificateBytes} bytes`)
  return readToBeSigned(DerReader.inside(der))
}

/** `outerAlgorithm`: the one beside the signature, which must be the same. */
function readToBeSigned(tbs: DerReader, outerAlgorithm?: Uint8Array): ToBeSigned {
  const version = tbs.enter(constructedContextTag(0))
  if (version.readSmallInteger() !== 2) invalid('not of version 3')
  version.finish()
  const serial = readSerial(tbs)
  const algorithmAt = tbs.mark()
  const signatureAlgorithm = readAlgorithm(tbs)
  if (outerAlgorithm !== undefined && compareBytes(tbs.since(algorithmAt), outerAlgorithm) !== 0) invalid('its two signature algorithms differ')
  const issuer = readName(tbs)
  const validity = tbs.enter(tag.sequence)
  const notBeforeMs = readTime(validity)
  const notAfterMs = readTime(validity)
  validity.finish()
  const subject = readName(tbs)
  const spki = tbs.readWhole(tag.sequence)
  for (const uniqueId of [1, 2]) if (tbs.peek() === primitiveContextTag(uniqueId)) tbs.readWhole()
  const wrapped = tbs.enterIf(constructedContextTag(3))
  const extensions = wrapped === undefined ? noExtensions : readExtensions(wrapped)
  wrapped?.finish()
  tbs.finish()
  return { serial, signatureAlgorithm, issuer, subject, subjectIsEmpty: isEmptyName(subject), notBeforeMs, notAfterMs, spki, extensions }
}

/** Whether `nowMs` lies within the certificate's validity, both ends included, RFC 5280 4.1.2.5. */
export function isValidAt(certificate: Certificate, nowMs: number): boolean {
  return nowMs >= certificate.notBeforeMs && nowMs <= certificate.notAfterMs
}

function readSerial(tbs: DerReader): Uint8Array {
  const serial = tbs.readInteger()
  if ((serial[0] ?? 0) >= 0x80) invalid('its serial is negative')
  const magnitude = serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial
  if (serial.length > maxSerialBytes) invalid(`its serial is longer than ${maxSerialBytes} octets`)
  return magnitude
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a certificate: ${why}`)
}
