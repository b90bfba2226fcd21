import { derOid } from '../../../src/core/der/oid.ts'
import { constructedContextTag, primitiveContextTag, tag } from '../../../src/core/der/tag.ts'
import { derTime } from '../../../src/core/der/time.ts'
import { asciiBytes, derBitString, derBoolean, derNamedBits, derOctetString, derSequence, derUnsigned, derValue } from '../../../src/core/der/writer.ts'
import { encodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from '../../../src/core/spiffe-id.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { authorityIdOf, publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { derName } from '../../../src/x509/name.ts'
import { oid } from '../../../src/x509/oids.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

/** The moment at which the certificates here are valid. */
export const nowMs: number = Date.UTC(2026, 0, 1, 12)
export const trustDomain: TrustDomain = parseTrustDomain('example.org')
/** Whose the facts are that a test makes up. */
export const someId: SpiffeId = parseSpiffeId('spiffe://example.org/some')

/** Everything in a certificate, each field to be replaced: made valid, then broken in one field a case. */
export interface CertificateFields {
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly spki: Uint8Array
  /** Each a whole Extension. */
  readonly extensions: readonly (Uint8Array | undefined)[]
}

export interface Issued {
  readonly der: Uint8Array
  readonly key: PrivateKey
  readonly fields: CertificateFields
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly id: string
}

const hourMs = 3_600_000
const uriTag = primitiveContextTag(6)
const dnsTag = primitiveContextTag(2)

export function certificate(fields: CertificateFields, signer: PrivateKey): Uint8Array {
  const algorithm = derSequence(derOid(signer.kind === 'Ed25519' ? oid.ed25519 : signer.kind === 'P-384' ? oid.ecdsaWithSha384 : oid.ecdsaWithSha256))
  const extensions = fields.extensions.filter((extension) => extension !== undefined)
  const tbs = derSequence(
    derValue(constructedContextTag(0), derUnsigned(Uint8Array.of(2))),
    derUnsigned(fields.serial),
    algorithm,
    fields.issuer,
    derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
    fields.subject,
    fields.spki,
    ...(extensions.length === 0 ? [] : [derValue(constructedContextTag(3), derSequence(...extensions))]),
  )
  return derSequence(tbs, algorithm, derBitString(signer.sign(tbs)))
}

export function extension(type: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(type), ...(critical ? [derBoolean(true)] : []), derOctetString(value))
}

export const ext = {
  basicConstraints: (ca: boolean, pathLength?: number): Uint8Array =>
    extension(oid.basicConstraints, true, derSequence(...(ca ? [derBoolean(true)] : []), ...(pathLength === undefined ? [] : [derUnsigned(Uint8Array.of(pathLength))]))),
  keyUsage: (bits: number, critical = true): Uint8Array => extension(oid.keyUsage, critical, derNamedBits(bits)),
  extKeyUsage: (...oids: readonly string[]): Uint8Array => extension(oid.extKeyUsage, false, derSequence(...oids.map(derOid))),
  names: ({ uris = [], dns = [], critical = true }: { uris?: readonly string[]; dns?: readonly string[]; critical?: boolean }): Uint8Array =>
    extension(oid.subjectAltName, critical, derSequence(...uris.map((uri) => derValue(uriTag, asciiBytes(uri))), ...dns.map((name) => derValue(dnsTag, asciiBytes(name))))),
  subjectKeyId: (spki: Uint8Array): Uint8Array => extension(oid.subjectKeyIdentifier, false, derOctetString(publicKeyHash(spki).subarray(0, 20))),
  authorityKeyId: (spki: Uint8Array): Uint8Array => extension(oid.authorityKeyIdentifier, false, derSequence(derValue(primitiveContextTag(0), publicKeyHash(spki).subarray(0, 20)))),
  uriConstraints: (permitted: readonly string[], excluded: readonly string[] = []): Uint8Array => {
    const subtrees = (number: number, bases: readonly string[]): Uint8Array[] =>
      bases.length === 0 ? [] : [derValue(constructedContextTag(number), ...bases.map((base) => derSequence(derValue(uriTag, asciiBytes(base)))))]
    return extension(oid.nameConstraints, true, derSequence(...subtrees(0, permitted), ...subtrees(1, excluded)))
  },
  unknown: (critical: boolean): Uint8Array => extension('1.3.6.1.4.1.99999.1', critical, derValue(tag.null)),
} as const

/** Extensions of a valid authority, by name so that a case can replace one. */
function authorityExtensions(spki: Uint8Array, issuerSpki?: Uint8Array): Record<string, Uint8Array | undefined> {
  return {
    basicConstraints: ext.basicConstraints(true),
    keyUsage: ext.keyUsage(keyUsageBit.keyCertSign | keyUsageBit.cRLSign),
    names: ext.names({ uris: [`spiffe://${trustDomain}`], critical: false }),
    subjectKeyId: ext.subjectKeyId(spki),
    authorityKeyId: issuerSpki === undefined ? undefined : ext.authorityKeyId(issuerSpki),
  }
}

function leafExtensions(spki: Uint8Array, issuerSpki: Uint8Array, uri: string): Record<string, Uint8Array | undefined> {
  return {
    keyUsage: ext.keyUsage(keyUsageBit.digitalSignature),
    extKeyUsage: ext.extKeyUsage(oid.serverAuth, oid.clientAuth),
    names: ext.names({ uris: [uri] }),
    subjectKeyId: ext.subjectKeyId(spki),
    authorityKeyId: ext.authorityKeyId(issuerSpki),
  }
}

type Overrides = Partial<Omit<CertificateFields, 'extensions'>> & { readonly extensions?: Record<string, Uint8Array | undefined>; readonly key?: PrivateKey; readonly signer?: PrivateKey }

/** A self-signed authority, or with `issuer` an intermediate. */
export function authority(name: string, overrides: Overrides = {}, issuer?: Issued): Issued {
  const key = overrides.key ?? PrivateKey.generate()
  const subject = derName({ organization: 'test', commonName: name })
  return issue(
    {
      serial: Uint8Array.of(1, 2, 3),
      issuer: issuer?.fields.subject ?? subject,
      subject,
      notBeforeMs: nowMs - hourMs,
      notAfterMs: nowMs + 24 * hourMs,
    },
    authorityExtensions(key.spki, issuer?.key.spki),
    key,
    issuer?.key ?? key,
    overrides,
  )
}

/** A valid X.509-SVID, or with overrides one that is not. Its serial is in place for its notAfter. */
export function leaf(issuer: Issued, overrides: Overrides & { readonly uri?: string; readonly index?: number } = {}): Issued {
  const key = overrides.key ?? PrivateKey.generate()
  const notAfterMs = overrides.notAfterMs ?? nowMs + 900_000
  return issue(
    {
      serial: serialFor(notAfterMs, overrides.index ?? 7),
      issuer: issuer.fields.subject,
      subject: derName({}),
      notBeforeMs: nowMs - 10_000,
      notAfterMs,
    },
    leafExtensions(key.spki, issuer.key.spki, overrides.uri ?? `spiffe://${trustDomain}/web`),
    key,
    issuer.key,
    overrides,
  )
}

/** A certified key of the revocation stream, or with overrides one that is not. */
export function streamSigner(issuer: Issued, overrides: Overrides = {}): Issued {
  const key = overrides.key ?? PrivateKey.generate('Ed25519')
  return issue(
    {
      serial: Uint8Array.of(9, 9),
      issuer: issuer.fields.subject,
      subject: derName({ commonName: 'stream' }),
      notBeforeMs: nowMs - 10_000,
      notAfterMs: nowMs - 10_000 + 24 * hourMs,
    },
    {
      keyUsage: ext.keyUsage(keyUsageBit.digitalSignature),
      extKeyUsage: ext.extKeyUsage(oid.revocationStreamSigning),
      authorityKeyId: ext.authorityKeyId(issuer.key.spki),
    },
    key,
    issuer.key,
    overrides,
  )
}

export function serialFor(notAfterMs: number, index: number, shard = 1): Uint8Array {
  return encodeSerial({ shard, minute: minuteOf(notAfterMs), index, random: new Uint8Array(8).fill(0xab) })
}

function issue(base: Omit<CertificateFields, 'extensions' | 'spki'>, extensions: Record<string, Uint8Array | undefined>, key: PrivateKey, signer: PrivateKey, overrides: Overrides): Issued {
  const { extensions: replaced = {}, key: _key, signer: otherSigner, ...rest } = overrides
  const { serial, issuer, subject, notBeforeMs, notAfterMs, spki } = { ...base, spki: key.spki, ...rest }
  const fields: CertificateFields = { serial, issuer, subject, notBeforeMs, notAfterMs, spki, extensions: Object.values({ ...extensions, ...replaced }) }
  return { der: certificate(fields, otherSigner ?? signer), key, fields, id: authorityIdOf(key.spki) }
}
