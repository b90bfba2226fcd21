import { formatOid } from '../core/der/oid.ts'
import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, primitiveContextTag, tag } from '../core/der/tag.ts'
import { MayflyError } from '../core/errors.ts'
import { readGrantClaims, type GrantClaims } from './grant-claims.ts'
import { oid } from './oids.ts'
import { readSubjectAltName, type SubjectAltName } from './subject-alt-name.ts'

/** Bits of {@link KeyUsage.bits}, RFC 5280 4.2.1.3. */
export const keyUsageBit = {
  digitalSignature: 0x1,
  nonRepudiation: 0x2,
  keyEncipherment: 0x4,
  dataEncipherment: 0x8,
  keyAgreement: 0x10,
  keyCertSign: 0x20,
  cRLSign: 0x40,
  encipherOnly: 0x80,
  decipherOnly: 0x100,
} as const

export interface BasicConstraints {
  readonly ca: boolean
  /** How many further CAs may follow in a path; `undefined`: no limit. */
  readonly pathLength: number | undefined
  readonly critical: boolean
}

export interface KeyUsage {
  /** Of {@link keyUsageBit}; never 0. */
  readonly bits: number
  readonly critical: boolean
}

export interface ExtKeyUsage {
  /** Dotted; never empty. */
  readonly oids: readonly string[]
  readonly critical: boolean
}

/** What a certificate's or a CSR's extensions say. Each was there at most once; `undefined`: it was not there. */
export interface Extensions {
  readonly basicConstraints: BasicConstraints | undefined
  readonly keyUsage: KeyUsage | undefined
  readonly extKeyUsage: ExtKeyUsage | undefined
  readonly subjectAltName: SubjectAltName | undefined
  readonly subjectKeyId: Uint8Array | undefined
  /** The keyIdentifier of the authority key identifier; issuer and serial in it are not looked at. */
  readonly authorityKeyId: Uint8Array | undefined
  /** The extension's value, not interpreted. */
  readonly nameConstraints: { readonly value: Uint8Array; readonly critical: boolean } | undefined
  /** Of the SVID of a grant. */
  readonly grant: GrantClaims | undefined
  /** Those this reader does not know, by dotted OID. */
  readonly unknown: ReadonlyMap<string, { readonly value: Uint8Array; readonly critical: boolean }>
  /** Dotted OIDs of the critical ones among `unknown`: a verifier must refuse what has any (RFC 5280 4.2). */
  readonly unknownCritical: readonly string[]
}

export const noExtensions: Extensions = {
  basicConstraints: undefined,
  keyUsage: undefined,
  extKeyUsage: undefined,
  subjectAltName: undefined,
  subjectKeyId: undefined,
  authorityKeyId: undefined,
  nameConstraints: undefined,
  grant: undefined,
  unknown: new Map(),
  unknownCritical: [],
}

/** Reads `Extensions`, a non-empty SEQUENCE; each at most once. @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID */
export function readExtensions(reader: DerReader): Extensions {
  const found: { -readonly [key in keyof Extensions]: Extensions[key] } = { ...noExtensions }
  const unknown = new Map<string, { value: Uint8Array; critical: boolean }>()
  const seen = new Set<string>()
  const list = reader.enter(tag.sequence)
  if (list.done) invalid('the list of extensions is empty')
  while (!list.done) {
    const extension = list.enter(tag.sequence)
    const type = formatOid(extension.read(tag.oid))
    if (seen.has(type)) invalid(`extension ${type} is there twice`)
    seen.add(type)
    const critical = extension.peek() === tag.boolean && (extension.readBoolean() || invalid('a default is spelled out'))
    const value = extension.read(tag.octetString)
    extension.finish()
    switch (type) {
      case oid.basicConstraints:
        found.basicConstraints = { ...readBasicConstraints(value), critical }
        break
      case oid.keyUsage:
        found.keyUsage = { bits: readKeyUsage(value), critical }
        break
      case oid.extKeyUsage:
        found.extKeyUsage = { oids: readExtKeyUsage(value), critical }
        break
      case oid.subjectAltName:
        found.subjectAltName = readSubjectAltName(value, critical)
        break
      case oid.subjectKeyIdentifier:
        found.subjectKeyId = readSubjectKeyId(value)
        break
      case oid.authorityKeyIdentifier:
        found.authorityKeyId = readAuthorityKeyId(value)
        break
      case oid.nameConstraints:
        found.nameConstraints = { value, critical }
        break
      case oid.grantClaims:
        found.grant = readGrantClaims(value)
        break
      default:
        unknown.set(type, { value, critical })
    }
  }
  found.unknown = unknown
  found.unknownCritical = [...unknown].filter(([, { critical }]) => critical).map(([type]) => type)
  return found
}

function readBasicConstraints(value: Uint8Array): Omit<BasicConstraints, 'critical'> {
  const inner = DerReader.inside(value)
  const ca = inner.peek() === tag.boolean && (inner.readBoolean() || invalid('a default is spelled out'))
  const pathLength = inner.done ? undefined : inner.readSmallInteger()
  inner.finish()
  if (pathLength !== undefined && !ca) invalid('a path length without cA')
  return { ca, pathLength }
}

function readKeyUsage(value: Uint8Array): number {
  const reader = DerReader.over(value)
  const bits = reader.readNamedBits()
  reader.finish()
  if (bits === 0 || bits > 0x1ff) invalid('key usage has no bit or one that is not defined')
  return bits
}

function readExtKeyUsage(value: Uint8Array): readonly string[] {
  const inner = DerReader.inside(value)
  const oids: string[] = []
  while (!inner.done) oids.push(formatOid(inner.read(tag.oid)))
  if (oids.length === 0 || new Set(oids).size !== oids.length) invalid('extended key usage is empty or repeats itself')
  return oids
}

function readSubjectKeyId(value: Uint8Array): Uint8Array {
  const reader = DerReader.over(value)
  const id = reader.read(tag.octetString)
  reader.finish()
  if (id.length === 0) invalid('the subject key identifier is empty')
  return id
}

function readAuthorityKeyId(value: Uint8Array): Uint8Array | undefined {
  const inner = DerReader.inside(value)
  const id = inner.peek() === primitiveContextTag(0) ? inner.read(primitiveContextTag(0)) : undefined
  for (const rest of [constructedContextTag(1), primitiveContextTag(2)]) if (inner.peek() === rest) inner.readWhole()
  inner.finish()
  if (id?.length === 0) invalid('the authority key identifier is empty')
  return id
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a certificate: ${why}`)
}
