import { MayflyError } from '../../src/core/errors.ts'
import { maxNonces } from '../../src/core/revocation/frame.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'

interface Waiting {
  readonly nonces: readonly Uint8Array[]
  answer(frame: StreamFrame): void
  fail(error: unknown): void
}

const maxWaiting = 2_000

/** Passes time requests of the readers on this node to the server, those that come together in one: at most one call at a time, whatever the number of readers. */
export class TimeForwarder {
  readonly #upstream: (nonces: readonly Uint8Array[]) => Promise<StreamFrame>
  #waiting: Waiting[] = []
  #isCalling = false

  /** @param upstream gives the signed answer to up to {@link maxNonces} nonces */
  constructor(upstream: (nonces: readonly Uint8Array[]) => Promise<StreamFrame>) {
    this.#upstream = upstream
  }

  /** The server's signed answer, which names these nonces and may name others. @throws {MayflyError} UNAVAILABLE, LIMIT_EXCEEDED */
  async ask(nonces: readonly Uint8Array[]): Promise<StreamFrame> {
    if (this.#waiting.length >= maxWaiting) throw new MayflyError('LIMIT_EXCEEDED', 'too many readers ask for the time at once')
    const { promise, resolve, reject } = Promise.withResolvers<StreamFrame>()
    this.#waiting.push({ nonces, answer: resolve, fail: reject })
    if (!this.#isCalling) void this.#callAll()
    return await promise
  }

  async #callAll(): Promise<void> {
    this.#isCalling = true
    while (this.#waiting.length > 0) {
      const batch = this.#next()
      try {
        const frame = await this.#upstream(batch.flatMap(({ nonces }) => nonces))
        for (const { answer } of batch) answer(frame)
      } catch (error) {
        for (const { fail } of batch) fail(error)
      }
    }
    this.#isCalling = false
  }

  #next(): Waiting[] {
    let count = 0
    const fitting = this.#waiting.findIndex(({ nonces }) => (count += nonces.length) > maxNonces)
    return this.#waiting.splice(0, fitting < 0 ? this.#waiting.length : Math.max(1, fitting))
  }
}
