import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Store } from './store/port.ts'

/** Expired credentials stay in the ledger for so long, for those who ask what was. */
const keepMs = 7 * 86_400_000
const everyMs = 3_600_000

/** Drops ledger rows that expired a week ago. */
export class Maintenance implements AsyncDisposable {
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly log: Logger }) {
    this.#running = run(deps, this.#stopping.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }
}

async function run({ store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Logger }, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(everyMs, signal)
      const nowMs = clock.nowMs()
      const pruned = await store.credentials.prune(nowMs - keepMs, { name: 'system', atMs: nowMs })
      if (pruned > 0) log.info({ event: 'ledger.pruned', rows: pruned }, 'old rows of the ledger dropped')
    } catch (error) {
      if (!signal.aborted) log.warn({ event: 'ledger.prune_failed', error }, 'old rows of the ledger could not be dropped; it is tried again')
    }
  }
}
