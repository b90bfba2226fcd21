import { constants, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { concatBytes } from '../core/bytes.ts'
import { base64, bytesOf, formatMessage, invalid, objectOf, parseMessage } from './json.ts'
import { nonceOf } from './nonces.ts'

/** Which kind of key answers: what SPIRE's messages tell apart. */
export type X509popKind = 'rsa' | 'ecdsa'

/** A leaf and as many authorities above it as SPIRE takes by default. */
export const maxX509popCertificates = 5
const maxCertificateBytes = 16_384
const maxRsaSignatureBytes = 512
const maxScalarBytes = 48

/** The agent's payload: its chain in DER, leaf first. */
export function formatX509popPayload(chain: readonly Uint8Array[]): Uint8Array {
  return formatMessage({ certificates: chain.map(base64) })
}

/** The chain, not parsed; counted and measured before anything is looked into. @throws {MayflyError} ATTESTATION_INVALID */
export function parseX509popPayload(payload: Uint8Array): readonly Uint8Array[] {
  const { certificates } = parseMessage(payload, 'payload of x509pop')
  if (!Array.isArray(certificates) || certificates.length === 0) throw invalid('the payload of x509pop has no certificates')
  if (certificates.length > maxX509popCertificates) throw invalid(`the payload of x509pop has more than ${maxX509popCertificates} certificates`)
  return certificates.map((certificate: unknown) => bytesOf(certificate, 'certificate', maxCertificateBytes))
}

export function formatX509popChallenge(kind: X509popKind, nonce: Uint8Array): Uint8Array {
  return formatMessage({ [memberOf(kind)]: { nonce: base64(nonce) } })
}

/** @throws {MayflyError} ATTESTATION_INVALID also when the challenge is for another kind of key */
export function parseX509popChallenge(kind: X509popKind, challenge: Uint8Array): Uint8Array {
  return nonceOf(partOf(challenge, 'challenge of x509pop', kind)['nonce'], 'nonce of the server')
}

/** The agent's answer: a signature over both nonces. */
export interface X509popAnswer {
  readonly nonce: Uint8Array
  /** RSASSA-PSS with SHA-256, or r and s of ECDSA with SHA-256, each as long as the order of its curve. */
  readonly signature: Uint8Array
}

export function answerX509pop(kind: X509popKind, key: KeyObject, serverNonce: Uint8Array, agentNonce: Uint8Array): Uint8Array {
  const signed = concatBytes(serverNonce, agentNonce)
  const nonce = base64(agentNonce)
  if (kind === 'rsa') return formatMessage({ rsa_signature: { nonce, signature: base64(sign('sha256', signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })) } })
  const raw = sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' })
  return formatMessage({ ecdsa_signature: { nonce, r: base64(raw.subarray(0, raw.length / 2)), s: base64(raw.subarray(raw.length / 2)) } })
}

/** @param scalarBytes length of the order of the curve; 0 for RSA @throws {MayflyError} ATTESTATION_INVALID */
export function parseX509popAnswer(kind: X509popKind, answer: Uint8Array, scalarBytes: number): X509popAnswer {
  const part = partOf(answer, 'answer of x509pop', kind)
  const nonce = nonceOf(part['nonce'], 'nonce of the agent')
  if (kind === 'rsa') return { nonce, signature: bytesOf(part['signature'], 'signature', maxRsaSignatureBytes) }
  return { nonce, signature: concatBytes(scalarOf(part['r'], scalarBytes), scalarOf(part['s'], scalarBytes)) }
}

/** Whether the key of a certificate made this answer to this nonce. False for any bytes that are no signature. */
export function isX509popAnswer(kind: X509popKind, key: KeyObject, serverNonce: Uint8Array, { nonce, signature }: X509popAnswer): boolean {
  const signed = concatBytes(serverNonce, nonce)
  if (kind === 'ecdsa') return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
  return verify('sha256', signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }, signature)
}

function partOf(message: Uint8Array, what: string, kind: X509popKind): Readonly<Record<string, unknown>> {
  return objectOf(parseMessage(message, what)[memberOf(kind)], `${memberOf(kind)} of the ${what}`)
}

function memberOf(kind: X509popKind): string {
  return `${kind}_signature`
}

/** A number without its leading zeros, as Go writes it, in the length that node:crypto wants. */
function scalarOf(value: unknown, length: number): Uint8Array {
  const bytes = bytesOf(value, 'number of the signature', maxScalarBytes)
  const trimmed = bytes.subarray(Math.max(0, bytes.findIndex((octet) => octet !== 0)))
  if (trimmed.length > length) throw invalid('a number of the signature is longer than its curve allows')
  const padded = new Uint8Array(length)
  padded.set(trimmed, length - trimmed.length)
  return padded
}
