import type { CrlSet__Output } from '../../proto/generated/mayfly/v1/CrlSet.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { Notifier } from '../notifier.ts'
import { backoffMs } from '../rotation/schedule.ts'
import { Wake } from '../wake.ts'
import type { EntryCache } from './entry-cache.ts'

export interface CrlFeedDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly entries: EntryCache
  /** The server's lists, as they come, until the connection breaks off. */
  open(signal: AbortSignal): AsyncIterable<CrlSet__Output>
}

const retry = { leastMs: 500, mostMs: 15_000 }
const maxBytes = 262_144
const none: readonly Buffer[] = []

/** Follows the server's lists of revoked certificates for as long as an entry of this agent asks for them; keeps the last ones while the server is away. */
export class CrlFeed implements AsyncDisposable {
  readonly #deps: CrlFeedDeps
  readonly #stop = new AbortController()
  readonly #wake = new Wake()
  readonly #following: Disposable
  readonly #running: Promise<void>
  #lists: readonly Buffer[] = none
  /** The lists are others. */
  readonly changed: Notifier<void> = new Notifier()

  constructor(deps: CrlFeedDeps) {
    this.#deps = deps
    this.#following = deps.entries.changed.on(() => this.#wake.ring())
    this.#running = this.#run()
  }

  /** DER, one for each authority. The same array until it changes. */
  get lists(): readonly Buffer[] {
    return this.#lists
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#following[Symbol.dispose]()
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#deps
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      if (!this.#isWanted()) {
        this.#take(none)
        await this.#wake.heard(signal).catch(() => undefined) // only aborts
        continue
      }
      try {
        await this.#follow(() => (failures = 0))
      } catch (error) {
        if (signal.aborted) return
        failures++
        log.warn({ event: 'crl.disconnected', code: error instanceof MayflyError ? error.code : 'INTERNAL', failures }, 'the lists of revoked certificates cannot be followed; the last ones stay')
        await clock.sleep(backoffMs(failures, retry, random), signal).catch(() => undefined) // only aborts
      }
    }
  }

  /** One connection, to its end or until nobody asks any more. */
  async #follow(onReceived: () => void): Promise<void> {
    const session = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, session.signal])
    using _ = this.#deps.entries.changed.on(() => {
      if (!this.#isWanted()) session.abort(new MayflyError('CANCELLED', 'no entry asks for lists any more'))
    })
    try {
      for await (const { crls } of this.#deps.open(signal)) {
        onReceived()
        this.#take(crls.reduce((sum, { length }) => sum + length, 0) > maxBytes ? none : crls)
      }
    } catch (error) {
      if (!session.signal.aborted) throw error
    }
  }

  #isWanted(): boolean {
    for (const { crl } of this.#deps.entries.all.values()) if (crl) return true
    return false
  }

  #take(lists: readonly Buffer[]): void {
    if (lists.length === this.#lists.length && lists.every((list, at) => list.equals(this.#lists[at] ?? Buffer.alloc(0)))) return
    this.#lists = lists
    this.changed.emit()
  }
}
