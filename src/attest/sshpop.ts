import { SshFormatError } from '../ssh/reader.ts'
import { signSsh } from '../ssh/private-key.ts'
import type { SshPrivateKey } from '../ssh/private-key.ts'
import { verifySshBytes } from '../ssh/signature.ts'
import type { SshPublicKey } from '../ssh/public-key.ts'
import { base64, bytesOf, formatMessage, invalid, objectOf, parseMessage } from './json.ts'
import { combined, nonceOf } from './nonces.ts'

const maxCertificateBytes = 16_384
const maxSignatureBytes = 1_024

/** The agent's payload: its host certificate as OpenSSH's wire format has it. */
export function formatSshpopPayload(certificate: Uint8Array): Uint8Array {
  return formatMessage({ Certificate: base64(certificate) })
}

/** The bytes of the certificate, not parsed. @throws {MayflyError} ATTESTATION_INVALID */
export function parseSshpopPayload(payload: Uint8Array): Uint8Array {
  return bytesOf(parseMessage(payload, 'payload of sshpop')['Certificate'], 'certificate', maxCertificateBytes)
}

export function formatSshpopChallenge(nonce: Uint8Array): Uint8Array {
  return formatMessage({ Nonce: base64(nonce) })
}

/** @throws {MayflyError} ATTESTATION_INVALID */
export function parseSshpopChallenge(challenge: Uint8Array): Uint8Array {
  return nonceOf(parseMessage(challenge, 'challenge of sshpop')['Nonce'], 'nonce of the server')
}

/** The agent's answer: a signature over both nonces, by OpenSSH's name of its algorithm. */
export interface SshpopAnswer {
  readonly nonce: Uint8Array
  /** `ssh-ed25519`, `rsa-sha2-512`, … */
  readonly algorithm: string
  readonly signature: Uint8Array
}

export function answerSshpop(key: SshPrivateKey, serverNonce: Uint8Array, agentNonce: Uint8Array): Uint8Array {
  const { algorithm, signature } = signSsh(key, combined(serverNonce, agentNonce))
  return formatMessage({ Nonce: base64(agentNonce), Signature: { Format: algorithm, Blob: base64(signature), Rest: null } })
}

/** @throws {MayflyError} ATTESTATION_INVALID */
export function parseSshpopAnswer(answer: Uint8Array): SshpopAnswer {
  const { Nonce, Signature } = parseMessage(answer, 'answer of sshpop')
  const { Format, Blob, Rest } = objectOf(Signature, 'signature of sshpop')
  if (typeof Format !== 'string' || !/^[a-z0-9@.-]{1,64}$/.test(Format)) throw invalid('the algorithm of the signature of sshpop is no name of one')
  if (Rest !== null && Rest !== undefined && Rest !== '') throw invalid('something follows the signature of sshpop')
  return { nonce: nonceOf(Nonce, 'nonce of the agent'), algorithm: Format, signature: bytesOf(Blob, 'signature', maxSignatureBytes) }
}

/** Whether this key made the answer. @param allowSha1 takes `ssh-rsa`, which is what SPIRE's agents sign with when their host key is RSA */
export function isSshpopAnswer(key: SshPublicKey, serverNonce: Uint8Array, { nonce, algorithm, signature }: SshpopAnswer, allowSha1: boolean): boolean {
  try {
    return verifySshBytes(key, algorithm, signature, combined(serverNonce, nonce), allowSha1)
  } catch (error) {
    if (error instanceof SshFormatError) return false
    throw error
  }
}
