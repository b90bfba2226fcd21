import { verify } from 'node:crypto'
import { concatBytes, toHex } from '../core/bytes.ts'
import { hashBytes } from '../core/revocation/codec.ts'
import { signatureBytes } from '../core/revocation/frame.ts'
import { sha256 } from '../x509/fingerprint.ts'
import { viewOf } from '../x509/spki.ts'
import type { StreamKey } from './signer-chain.ts'

/**
 * Verifies signatures of the revocation stream, and remembers the last that were good, so that several verifiers of one process, which read the same frames over connections of
 * their own, pay for one verification between them. It remembers that exactly these bytes bear exactly this signature by exactly this key, and nothing else: not that the key is certified, live or
 * unrevoked, which each reader judges for itself, and no failure.
 */
export class VerifiedSignatures {
  readonly #most: number
  /** SHA-256 of key id, signature and signed bytes; the first two have one length each, so that no two triples are the same bytes. */
  readonly #good = new Set<string>()
  #verifications = 0

  /** @param most how many are remembered; the oldest goes first */
  constructor(most: number) {
    this.#most = most
  }

  /** Whether the key made the Ed25519 signature over these bytes. */
  verify({ keyId, key }: Pick<StreamKey, 'keyId' | 'key'>, signed: Uint8Array, signature: Uint8Array): boolean {
    if (keyId.length !== hashBytes || signature.length !== signatureBytes) return false
    const name = toHex(sha256(concatBytes(keyId, signature, signed)))
    if (this.#good.has(name)) return true
    this.#verifications++
    if (!verify(null, viewOf(signed), key, viewOf(signature))) return false
    const [oldest] = this.#good
    if (this.#good.size >= this.#most && oldest !== undefined) this.#good.delete(oldest)
    this.#good.add(name)
    return true
  }

  /** How many it remembers. */
  get size(): number {
    return this.#good.size
  }

  /** How often it asked OpenSSL. */
  get verifications(): number {
    return this.#verifications
  }
}

/** Of all readers of this process that are not given another: heartbeats of some minutes, or batches of ten seconds at the highest rate. */
export const signaturesOfThisProcess: VerifiedSignatures = new VerifiedSignatures(256)
