import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'

const everyMs = 1_000
/** Least time between two heartbeats. */
const gapMs = 100

/** Calls `beat` each second and, out of turn, when asked to, one at a time and never many in a row. A beat that fails is logged: the stream is silent. */
export class Heartbeat {
  readonly #beatOnce: () => Promise<void>
  readonly #deps: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal }
  #beating: Promise<void> | undefined
  #extra: Promise<void> | undefined
  #lastBootMs = Number.NEGATIVE_INFINITY

  constructor(beatOnce: () => Promise<void>, deps: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal }) {
    this.#beatOnce = beatOnce
    this.#deps = deps
  }

  /** Until the signal aborts. */
  async run(): Promise<void> {
    const { clock, signal } = this.#deps
    while (!signal.aborted) {
      await this.#beat()
      await clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
    }
    await Promise.all([this.#beating, this.#extra])
  }

  /** Notes that a heartbeat was sent. */
  sent(): void {
    this.#lastBootMs = this.#deps.clock.bootMs()
  }

  /** Whether the last one that was sent is no older than the next is due. */
  get isRecent(): boolean {
    return this.#deps.clock.bootMs() - this.#lastBootMs < everyMs
  }

  /** One out of turn, for a subscriber that just came. */
  soon(): void {
    const { clock, signal } = this.#deps
    const waitMs = this.#lastBootMs + gapMs - clock.bootMs()
    if (waitMs <= 0) void this.#beat()
    else this.#extra ??= clock.sleep(waitMs, signal).then(async () => this.#beat(), () => undefined).finally(() => (this.#extra = undefined)) // only aborts
  }

  /** Whoever asks while one is under way waits for that. */
  async #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce()
      .catch((error: unknown) => this.#deps.logger.error({ event: 'revocation.silent', error: String(error) }, 'no heartbeat: the durable head of the revocation stream cannot be read or signed'))
      .finally(() => (this.#beating = undefined))
    await this.#beating
  }
}
