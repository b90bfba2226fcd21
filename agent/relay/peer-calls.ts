import { MayflyError } from '../../src/core/errors.ts'

/** Counts the calls that each peer has open, so that none takes a relay from the others. */
export class PeerCalls {
  readonly #most: () => number
  readonly #calls = new Map<string, number>()

  /** @param most asked at each call: it may change */
  constructor(most: () => number) {
    this.#most = most
  }

  /** Dispose it when the call ends. @throws {MayflyError} UNAVAILABLE: load is shed */
  admit(peer: string): Disposable {
    const calls = this.#calls.get(peer) ?? 0
    if (calls >= this.#most()) throw new MayflyError('UNAVAILABLE', `${peer} has too many calls open at this relay`, { hint: 'one process needs one feed; or raise limits.maxCallsPerPeer' })
    this.#calls.set(peer, calls + 1)
    return {
      [Symbol.dispose]: () => {
        const left = (this.#calls.get(peer) ?? 1) - 1
        if (left === 0) this.#calls.delete(peer)
        else this.#calls.set(peer, left)
      },
    }
  }
}
