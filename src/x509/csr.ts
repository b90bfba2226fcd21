import { formatOid } from '../core/der/oid.ts'
import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, tag } from '../core/der/tag.ts'
import { MayflyError } from '../core/errors.ts'
import { readAlgorithm, type Algorithm } from './algorithm.ts'
import { noExtensions, readExtensions, type Extensions } from './extensions.ts'
import { publicKeyHash } from './fingerprint.ts'
import { readName } from './name.ts'
import { oid } from './oids.ts'
import { keyKindOf, type KeyKind } from './spki.ts'
import { verifyBytes } from './signature.ts'

/** A PKCS#10 certification request taken apart; nothing in it is proven. The byte fields are views into the bytes it was parsed from. */
export interface Csr {
  /** The signed part (CertificationRequestInfo), with its header. */
  readonly info: Uint8Array
  /** Name, DER. */
  readonly subject: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** Of the extensionRequest attribute; other attributes are passed over. */
  readonly extensions: Extensions
  readonly signatureAlgorithm: Algorithm
  readonly signature: Uint8Array
}

declare const provenBrand: unique symbol

/** What is left of a request whose sender proved to hold the private key. Names in it are wishes, not facts. Only {@link verifyCsr} makes one. */
export interface ProvenCsr {
  readonly [provenBrand]: 'ProvenCsr'
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly keyKind: KeyKind
  /** SHA-256 of `spki`, 32 bytes. */
  readonly publicKeyHash: Uint8Array
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  /** Name, DER. */
  readonly subject: Uint8Array
}

const maxCsrBytes = 65_536

/** Parses strictly; at most 64 KiB, nothing trailing. @throws {MayflyError} CSR_INVALID */
export function parseCsr(der: Uint8Array): Csr {
  return asCsrError(() => split(der))
}

/**
 * Parses and checks the proof of possession: the request's signature with its own key. P-256, P-384, and RSA of 2048 to 4096 bits with an exponent from 65537 on.
 * @throws {MayflyError} CSR_INVALID
 */
export function verifyCsr(der: Uint8Array): ProvenCsr {
  return asCsrError(() => {
    const csr = split(der)
    const keyKind = keyKindOf(csr.spki)
    if (keyKind === undefined || keyKind === 'Ed25519') return invalid('its key is none of P-256, P-384 and RSA of 2048 to 4096 bits with an exponent from 65537 on')
    if (!verifyBytes(csr.spki, csr.signatureAlgorithm, csr.info, csr.signature)) return invalid('its signature is not by its own key')
    const san = csr.extensions.subjectAltName
    const proven: Omit<ProvenCsr, typeof provenBrand> = {
      spki: csr.spki,
      keyKind,
      publicKeyHash: publicKeyHash(csr.spki),
      uriSans: san?.uris ?? [],
      dnsSans: san?.dns ?? [],
      subject: csr.subject,
    }
    return proven as ProvenCsr // the one place that makes the brand
  })
}

function split(der: Uint8Array): Csr {
  if (der.length > maxCsrBytes) invalid(`longer than ${maxCsrBytes} bytes`)
  const outer = DerReader.inside(der)
  const start = outer.mark()
  const info = outer.enter(tag.sequence)
  const infoBytes = outer.since(start)
  const signatureAlgorithm = readAlgorithm(outer)
  const signature = outer.readBitString()
  outer.finish()
  if (info.readSmallInteger() !== 0) invalid('not of version 1')
  const subject = readName(info)
  const spki = info.readWhole(tag.sequence)
  const extensions = readAttributes(info.enter(constructedContextTag(0)))
  info.finish()
  return { info: infoBytes, subject, spki, extensions, signatureAlgorithm, signature }
}

function readAttributes(attributes: DerReader): Extensions {
  let extensions: Extensions | undefined
  while (!attributes.done) {
    const attribute = attributes.enter(tag.sequence)
    const type = formatOid(attribute.read(tag.oid))
    const values = attribute.enter(tag.set)
    attribute.finish()
    if (type !== oid.extensionRequest) continue
    if (extensions !== undefined) invalid('it asks for extensions twice')
    extensions = readExtensions(values)
    values.finish()
  }
  return extensions ?? noExtensions
}

function asCsrError<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MayflyError && error.code !== 'CSR_INVALID') throw new MayflyError('CSR_INVALID', `not a signing request: ${error.message}`, { cause: error })
    throw error
  }
}

function invalid(why: string): never {
  throw new MayflyError('CSR_INVALID', `not a signing request: ${why}`)
}
