import { MayflyError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { MetadataInit } from '../../src/rpc/metadata.ts'

/** Where SVIDs are signed: the server, by one BatchNewX509SVID a call. */
export interface SvidSigner {
  /** One outcome a request, in their order. @param metadata goes along with the call @throws {MayflyError} when the server could not be asked */
  sign(requests: readonly SigningRequest[], metadata?: MetadataInit): Promise<readonly SigningOutcome[]>
}

export interface SigningRequest {
  readonly entryId: string
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
}

export type SigningOutcome =
  /** DER, leaf first. */
  | { readonly kind: 'signed'; readonly chain: readonly Uint8Array[] }
  /** The server will not sign this one. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }

/**
 * Puts together what is asked for at the same time: requests of one tick share a call, and so do those that come while a
 * call is under way.
 */
export class BatchSigner {
  readonly #signer: SvidSigner
  readonly #maxBatch: number
  readonly #waiting: Waiting[] = []
  #running = false

  constructor(signer: SvidSigner, maxBatch: number) {
    this.#signer = signer
    this.#maxBatch = maxBatch
  }

  /** @throws {MayflyError} what the call that carried it failed with */
  request(request: SigningRequest): Promise<SigningOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      if (this.#running) return
      this.#running = true
      queueMicrotask(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#maxBatch)
      try {
        const outcomes = await this.#signer.sign(batch.map(({ request }) => request))
        batch.forEach((waiting, at) => {
          const outcome = outcomes[at]
          if (outcome === undefined) waiting.reject(new MayflyError('INTERNAL', 'the server left a signing request unanswered'))
          else waiting.resolve(outcome)
        })
      } catch (error) {
        for (const waiting of batch) waiting.reject(error)
      }
    }
    this.#running = false
  }
}

interface Waiting {
  readonly request: SigningRequest
  resolve(outcome: SigningOutcome): void
  reject(error: unknown): void
}
