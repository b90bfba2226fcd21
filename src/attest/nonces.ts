import { createHash } from 'node:crypto'
import { bytesOf, invalid } from './json.ts'

export const nonceBytes = 32

/** @throws {MayflyError} ATTESTATION_INVALID */
export function nonceOf(value: unknown, what: string): Uint8Array {
  const nonce = bytesOf(value, what, nonceBytes)
  if (nonce.length !== nonceBytes) throw invalid(`the ${what} has ${nonce.length} bytes instead of ${nonceBytes}`)
  return nonce
}

/** SHA-256 over both nonces, the server's first: neither side alone chooses what is signed. */
export function combined(serverNonce: Uint8Array, agentNonce: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(serverNonce).update(agentNonce).digest())
}
