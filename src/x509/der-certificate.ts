import { derOid } from '../core/der/oid.ts'
import { constructedContextTag, primitiveContextTag } from '../core/der/tag.ts'
import { derTime } from '../core/der/time.ts'
import { asciiBytes, derBoolean, derNamedBits, derOctetString, derSequence, derUnsigned, derValue } from '../core/der/writer.ts'
import { MayflyError } from '../core/errors.ts'
import type { CertificateSpec } from './certificate-spec.ts'
import { keyUsageBit } from './extensions.ts'
import { oid } from './oids.ts'
import type { PrivateKey } from './private-key.ts'
import { generalNameTag } from './subject-alt-name.ts'
import { certificateOf } from './template.ts'

const version3 = derValue(constructedContextTag(0), derUnsigned(Uint8Array.of(2)))
const ecdsaWithSha256 = derSequence(derOid(oid.ecdsaWithSha256))

/**
 * A certificate of a spec, signed by a P-256 key, DER: for authorities, of which a server makes one a week and one at its first start. What @peculiar/x509
 * builds of the same spec is the oracle in tests; loading it took longer than all else of a start, and its memory stayed. @throws {MayflyError} DER_INVALID
 */
export function certifySpec(spec: CertificateSpec, signer: PrivateKey): Uint8Array {
  if (signer.kind !== 'P-256') throw new MayflyError('DER_INVALID', 'authorities have P-256 keys')
  const toBeSigned = toBeSignedOf(spec)
  return certificateOf(toBeSigned, signer.sign(toBeSigned))
}

/** The signed part. @throws {MayflyError} DER_INVALID for a time or a name that cannot be written */
export function toBeSignedOf(spec: CertificateSpec): Uint8Array {
  return derSequence(
    version3,
    derUnsigned(spec.serial),
    ecdsaWithSha256,
    spec.issuer,
    derSequence(derTime(spec.notBeforeMs), derTime(spec.notAfterMs)),
    spec.subject,
    spec.spki,
    derValue(constructedContextTag(3), derSequence(...extensionsOf(spec))),
  )
}

function extensionsOf(spec: CertificateSpec): readonly Uint8Array[] {
  const keyUsage = spec.keyUsage.reduce((bits, usage) => bits | keyUsageBit[usage], 0)
  const names = spec.dnsNames.map((name) => derValue(generalNameTag.dns, asciiBytes(name)))
  if (spec.uri !== undefined) names.unshift(derValue(generalNameTag.uri, asciiBytes(spec.uri)))
  const hasSubject = spec.subject.length > 2
  return [
    extension(oid.keyUsage, true, derNamedBits(keyUsage)),
    ...(spec.extKeyUsage.length === 0 ? [] : [extension(oid.extKeyUsage, false, derSequence(...spec.extKeyUsage.map((usage) => derOid(usage))))]),
    extension(oid.basicConstraints, true, spec.ca ? derSequence(derBoolean(true)) : derSequence()),
    extension(oid.subjectKeyIdentifier, false, derOctetString(spec.subjectKeyId)),
    ...(spec.authorityKeyId === undefined ? [] : [extension(oid.authorityKeyIdentifier, false, derSequence(derValue(primitiveContextTag(0), spec.authorityKeyId)))]),
    ...(names.length === 0 ? [] : [extension(oid.subjectAltName, !hasSubject, derSequence(...names))]),
  ]
}

function extension(type: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(type), ...(critical ? [derBoolean(true)] : []), derOctetString(value))
}
