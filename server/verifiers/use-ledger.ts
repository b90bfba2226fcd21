import { toHex } from '../../src/core/bytes.ts'
import type { RefusalsReport, UsesReport } from '../../src/core/revocation/reports.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { CredentialUse, Store } from '../store/port.ts'

const everyMs = 5_000
const maxWaiting = 20_000
const maxAtOnce = 2_000
/** A verifier whose clock is further ahead than this dates its uses by ours. */
const maxAheadMs = 60_000

export interface UseLedgerDeps {
  readonly store: Pick<Store, 'credentials'>
  readonly clock: Clock
  readonly log: Logger
}

/** Gathers uses and refusals that verifiers report, adds up those of one credential at one SPIFFE ID, and writes them down every few seconds. What finds no room is dropped, and said. */
export class UseLedger {
  readonly #deps: UseLedgerDeps
  #waiting = new Map<string, CredentialUse>()
  #dropped = 0

  constructor(deps: UseLedgerDeps) {
    this.#deps = deps
  }

  add(verifier: SpiffeId, report: UsesReport | RefusalsReport): void {
    const latestMs = this.#deps.clock.nowMs() + maxAheadMs
    const refused = report.kind === 'refusals'
    for (const use of refused ? report.refusals : report.uses) {
      const serial = toHex(use.serial)
      const name = `${serial} ${verifier} ${report.kind}`
      const known = this.#waiting.get(name)
      if (known === undefined && this.#waiting.size >= maxWaiting) {
        this.#dropped++
        continue
      }
      const lastMs = Math.max(Math.min(use.lastMs, latestMs), known?.lastMs ?? 0)
      const firstMs = Math.min(use.firstMs, lastMs, known?.firstMs ?? lastMs)
      this.#waiting.set(name, { serial, verifier, firstMs, lastMs, count: (known?.count ?? 0) + use.count, ...(refused ? { refused } : {}) })
    }
  }

  /** Until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
      await this.#write()
    }
  }

  async #write(): Promise<void> {
    const { store, clock, log } = this.#deps
    if (this.#dropped > 0) log.warn({ event: 'uses.dropped', uses: this.#dropped }, 'too many uses were reported at once: some are not written down')
    this.#dropped = 0
    const all = [...this.#waiting.values()]
    this.#waiting = new Map()
    for (let at = 0; at < all.length; at += maxAtOnce) {
      try {
        await store.credentials.recordUses(all.slice(at, at + maxAtOnce), clock.nowMs())
      } catch (error) {
        log.warn({ event: 'uses.unwritten', uses: all.length - at, error: String(error) }, 'uses could not be written down')
        return
      }
    }
  }
}
