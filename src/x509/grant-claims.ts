import { fromHex, toHex } from '../core/bytes.ts'
import { DerReader } from '../core/der/reader.ts'
import { tag } from '../core/der/tag.ts'
import { derAscii, derOctetString, derSequence, derUnsigned } from '../core/der/writer.ts'
import { MayflyError } from '../core/errors.ts'

/** What the SVID of a grant says of it, in an extension of our own that is not critical. Whoever trusts the SVID's issuer may rely on it. */
export interface GrantClaims {
  /** The grant that the SPIFFE ID's last segment names. */
  readonly id: string
  /** SHA-256 of the canonical intent, hexadecimal. */
  readonly intentHash: string
  /** SHA-256 of the policy that allowed this credential, hexadecimal. */
  readonly policyHash: string
  /** The grant's own end, ms since the epoch; its credentials end earlier or then. */
  readonly deadlineMs: number
}

const hashBytes = 32
const maxTimeBytes = 6

/** `SEQUENCE { id IA5String, intentHash OCTET STRING, policyHash OCTET STRING, deadline INTEGER (ms) }`. @throws {MayflyError} DER_INVALID for claims that cannot be read back */
export function derGrantClaims({ id, intentHash, policyHash, deadlineMs }: GrantClaims): Uint8Array {
  if (!isGrantName(id) || !Number.isSafeInteger(deadlineMs) || deadlineMs < 0 || deadlineMs >= 2 ** (8 * maxTimeBytes - 1)) throw new MayflyError('DER_INVALID', 'the claims of a grant are malformed')
  return derSequence(derAscii(tag.ia5String, id), derOctetString(hashOf(intentHash)), derOctetString(hashOf(policyHash)), derUnsigned(bigEndian(deadlineMs)))
}

/** Strictly: nothing else, nothing more. @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID */
export function readGrantClaims(value: Uint8Array): GrantClaims {
  const reader = DerReader.inside(value)
  const id = String.fromCharCode(...reader.read(tag.ia5String).subarray(0, 65))
  const intentHash = reader.read(tag.octetString)
  const policyHash = reader.read(tag.octetString)
  const deadline = reader.readInteger()
  reader.finish()
  const isTime = (deadline[0] ?? 0x80) < 0x80 && deadline.length <= maxTimeBytes
  if (!isGrantName(id) || intentHash.length !== hashBytes || policyHash.length !== hashBytes || !isTime) throw new MayflyError('CERTIFICATE_INVALID', 'not a certificate: the claims of a grant are malformed')
  return { id, intentHash: toHex(intentHash), policyHash: toHex(policyHash), deadlineMs: deadline.reduce((value, byte) => value * 256 + byte, 0) }
}

/** A path segment, of which the certificate says no more than that it is one. */
function isGrantName(id: string): boolean {
  return /^[a-zA-Z0-9._-]{1,64}$/.test(id)
}

function hashOf(text: string): Uint8Array {
  const bytes = fromHex(text)
  if (bytes?.length !== hashBytes) throw new MayflyError('DER_INVALID', `a hash in the claims of a grant is not ${hashBytes} bytes`)
  return bytes
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(maxTimeBytes)
  for (let at = maxTimeBytes - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256
  return bytes
}
