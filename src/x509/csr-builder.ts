import { derOid } from '../core/der/oid.ts'
import { constructedContextTag, tag } from '../core/der/tag.ts'
import { asciiBytes, derBitString, derBoolean, derOctetString, derSequence, derSet, derUnsigned, derValue } from '../core/der/writer.ts'
import { MayflyError } from '../core/errors.ts'
import { emptyName } from './name.ts'
import { oid } from './oids.ts'
import type { PrivateKey } from './private-key.ts'
import { signatureAlgorithmOf } from './signature.ts'
import { generalNameTag } from './subject-alt-name.ts'

/** What a request names. The issuer decides from the entry, so these are for show and for SPIRE's servers, which want the URI. */
export interface CsrNames {
  readonly uris?: readonly string[]
  readonly dns?: readonly string[]
}

const version = derUnsigned(Uint8Array.of(0))
const extensionRequest = derOid(oid.extensionRequest)
const subjectAltName = derOid(oid.subjectAltName)

/** A PKCS#10 request with an empty subject, signed by the key that it asks a certificate for: P-256, P-384 or RSA. @throws {MayflyError} CSR_INVALID for an Ed25519 key, whose request no server here takes */
export function buildCsr(key: PrivateKey, names: CsrNames = {}): Uint8Array {
  if (key.kind === 'Ed25519') throw new MayflyError('CSR_INVALID', 'requests are not built for Ed25519 keys')
  const info = derSequence(version, emptyName, key.spki, attributes(names))
  return derSequence(info, signatureAlgorithmOf(key.kind), derBitString(key.sign(info)))
}

function attributes({ uris = [], dns = [] }: CsrNames): Uint8Array {
  if (uris.length + dns.length === 0) return derValue(constructedContextTag(0))
  const names = [...uris.map((uri) => derValue(generalNameTag.uri, asciiBytes(uri))), ...dns.map((name) => derValue(generalNameTag.dns, asciiBytes(name)))]
  const san = derSequence(subjectAltName, derBoolean(true), derOctetString(derSequence(...names)))
  return derValue(constructedContextTag(0), derValue(tag.sequence, extensionRequest, derSet(derSequence(san))))
}
