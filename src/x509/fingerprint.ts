import * as crypto from 'node:crypto'
import { toHex } from '../core/bytes.ts'

/** SHA-256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hashOnce('sha256', bytes))
}

/** SHA-256 of a SubjectPublicKeyInfo, 32 bytes: the one name of a public key in mayfly, whatever its certificate. */
export function publicKeyHash(spki: Uint8Array): Uint8Array {
  return sha256(spki)
}

/** Lower-case hexadecimal {@link publicKeyHash} of an authority's key: how the ledger and the revocation stream name the authority. */
export function authorityIdOf(spki: Uint8Array): string {
  return toHex(publicKeyHash(spki))
}

/** One call of OpenSSL where Node has it (20.12), else the older three. */
const hashOnce: (algorithm: string, bytes: Uint8Array) => Uint8Array =
  typeof crypto.hash === 'function' ? (algorithm, bytes) => crypto.hash(algorithm, bytes, 'buffer') : (algorithm, bytes) => crypto.createHash(algorithm).update(bytes).digest()
