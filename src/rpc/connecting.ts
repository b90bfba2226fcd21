import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'

/** Until TCP stands, whatever the server's load: the kernel asks four times in that while, and left alone for another two minutes, each time after twice the time. */
export const reachMs = 10_000
/** Until HTTP/2 is spoken: longer, since a server that just started may have thousands of handshakes to do. */
export const establishMs = 60_000

export interface ConnectingDeps {
  readonly clock: Clock
  /** As messages name the server. */
  readonly address: string
  isConnected(): boolean
  /** Ends this attempt and all calls that wait for it. */
  giveUp(problem: MayflyError): void
}

/**
 * Gives up an attempt to connect that nobody answers, so that another is made: a packet that a broken network swallowed is sent again only after minutes, and grpc-js itself waits
 * for ever for a handshake.
 */
export class Connecting {
  readonly #deps: ConnectingDeps
  #attempt: AbortController | undefined
  #isReached = false

  constructor(deps: ConnectingDeps) {
    this.#deps = deps
  }

  /** A call was begun, which connects where there is no connection. */
  begin(): void {
    if (this.#attempt !== undefined || this.#deps.isConnected()) return
    this.#attempt = new AbortController()
    this.#isReached = false
    void this.#watch(this.#attempt)
  }

  /** TCP stands. */
  reached(): void {
    this.#isReached = true
  }

  stop(): void {
    this.#attempt?.abort(stopped)
    this.#attempt = undefined
  }

  async #watch(attempt: AbortController): Promise<void> {
    const { clock } = this.#deps
    try {
      await clock.sleep(reachMs, attempt.signal)
      if (!this.#deps.isConnected() && !this.#isReached) return this.#giveUp('does not answer', reachMs)
      if (this.#deps.isConnected()) return this.stop()
      await clock.sleep(establishMs - reachMs, attempt.signal)
      if (this.#deps.isConnected()) return this.stop()
      this.#giveUp('answers, but no TLS connection came about', establishMs)
    } catch (error) {
      if (error !== stopped) throw error
    }
  }

  #giveUp(what: string, afterMs: number): void {
    const { address, giveUp } = this.#deps
    this.stop()
    giveUp(new MayflyError('UNAVAILABLE', `no connection: ${address} ${what} within ${afterMs / 1_000} s`, { hint: 'is the address right, the port open in every firewall between, and does it run' }))
  }
}

const stopped = new MayflyError('CANCELLED', 'nobody waits for this connection any more')
