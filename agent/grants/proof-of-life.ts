import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import type { ProofOfLife } from '../../proto/generated/mayfly/v1/ProofOfLife.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { Notifier } from '../notifier.ts'
import type { SignsOfLife } from '../sync/outbox.ts'

export interface ProofOfLifeDeps {
  readonly clock: Clock
  /** Grants whose binding holds at this moment. */
  living(): string[]
  probes(): readonly ProbeResult[]
}

const everyMs = 5_000

/** Vouches for the grants of this node: every five seconds, with each change, and first of all on a new connection. */
export class ProofOfLifeBeat implements SignsOfLife, AsyncDisposable {
  readonly due: Notifier<void> = new Notifier()
  readonly #deps: ProofOfLifeDeps
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #isDue = false
  #saidNone = false

  private constructor(deps: ProofOfLifeDeps) {
    this.#deps = deps
    this.#running = this.#beat()
  }

  static start(deps: ProofOfLifeDeps): ProofOfLifeBeat {
    return new ProofOfLifeBeat(deps)
  }

  /** Says it soon. */
  say(): void {
    this.#isDue = true
    this.due.emit()
  }

  next(): ProofOfLife | undefined {
    if (!this.#isDue) return undefined
    this.#isDue = false
    const grantIds = this.#deps.living()
    if (grantIds.length === 0 && this.#saidNone) return undefined
    this.#saidNone = grantIds.length === 0
    return { grantIds, probes: [...this.#deps.probes()] }
  }

  reconnected(): void {
    this.#saidNone = false
    this.#isDue = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#running
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#deps.clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
      if (!signal.aborted) this.say()
    }
  }
}
