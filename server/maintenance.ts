import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import { SteadyTime } from './steady-time.ts'
import type { Store } from './store/port.ts'

export interface MaintenanceDeps {
  readonly store: Pick<Store, 'credentials' | 'grants' | 'stream' | 'domain'>
  readonly clock: Clock
  readonly log: Logger
}

/** Expired credentials stay in the ledger for so long, for those who ask what was. */
const keepMs = 7 * 86_400_000
/** What was granted, and why, can be explained and replayed for so long; the journal keeps it for good. */
const keepGrantsMs = 90 * 86_400_000
/** Also how long events of the stream are kept at least, so that a reader who was away so long is caught up by events. */
const everyMs = 600_000
const ledgerEveryMs = 3_600_000
/** Fewer events than these are not worth a record of the journal. */
const leastEvents = 1_000

/**
 * Drops ledger rows that expired a week ago, grants that were over 90 days ago, and events of the revocation stream that every reader has had ten minutes to read. What has passed is told by
 * {@link SteadyTime} and the time since boot: a clock that leaps loses nothing.
 */
export class Maintenance implements AsyncDisposable {
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>

  constructor(deps: MaintenanceDeps) {
    this.#running = run(deps, this.#stopping.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }
}

async function run(deps: MaintenanceDeps, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = deps
  const moment = (): { nowMs: number; bootMs: number } => ({ nowMs: clock.nowMs(), bootMs: clock.bootMs() })
  let time: SteadyTime | undefined
  let pruned: { readonly seq: number } | undefined
  let ledgerAtBootMs = clock.bootMs()
  while (!signal.aborted) {
    try {
      time ??= new SteadyTime(Math.max(store.domain.createdAtMs, (await store.credentials.prunedBefore()) + keepMs), moment())
      const { seq } = await store.stream.head()
      await clock.sleep(everyMs, signal)
      const steadyMs = time.look(moment())
      if (seq - (pruned?.seq ?? 0) >= leastEvents) {
        await pruneStream(seq, deps)
        pruned = { seq }
      }
      if (clock.bootMs() - ledgerAtBootMs < ledgerEveryMs) continue
      ledgerAtBootMs = clock.bootMs()
      await pruneLedger(steadyMs - keepMs, deps)
      await pruneGrants(steadyMs - keepGrantsMs, deps)
    } catch (error) {
      if (signal.aborted) return
      log.warn({ event: 'ledger.prune_failed', error: String(error) }, 'what is old could not be dropped; it is tried again')
      await clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
    }
  }
}

async function pruneLedger(beforeMs: number, { store, clock, log }: MaintenanceDeps): Promise<void> {
  const rows = await store.credentials.prune(beforeMs, { name: 'system', atMs: clock.nowMs() })
  if (rows > 0) log.info({ event: 'ledger.pruned', rows }, 'old rows of the ledger dropped')
}

async function pruneGrants(beforeMs: number, { store, clock, log }: MaintenanceDeps): Promise<void> {
  const grants = await store.grants.prune(beforeMs, { name: 'system', atMs: clock.nowMs() })
  if (grants > 0) log.info({ event: 'grants.pruned', grants }, 'grants that were over long ago are dropped, with their steps and decisions')
}

async function pruneStream(throughSeq: number, { store, clock, log }: MaintenanceDeps): Promise<void> {
  const events = await store.stream.prune(throughSeq, { name: 'system', atMs: clock.nowMs() })
  if (events > 0) log.info({ event: 'stream.pruned', events, throughSeq }, 'old events of the revocation stream dropped')
}
