import type { MayflyError } from '../src/core/errors.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { JournalStore } from './store/port.ts'

/** A refusal counts for so long when nothing was changed since: then the next change is let try. */
const refusalCountsMs = 30_000
/** While changes are refused, the log says so at most this often. */
const saidAgainMs = 60_000

/**
 * Whether the store takes changes, by what became of those that were asked for. The log says when it takes none, with the cause beneath, and when it
 * does again: whoever asked is told only that nothing was done.
 */
export class StoreHealth implements Disposable {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #held = new DisposableStack()
  #refusal: Refusal | undefined

  constructor(journal: Pick<JournalStore, 'onCommit' | 'onRefused'>, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock
    this.#log = log
    this.#held.use(journal.onRefused((error) => this.#refused(error)))
    this.#held.use(journal.onCommit(() => this.#committed()))
  }

  /** Why the last change was refused, unless one was made since, or it is half a minute ago. */
  get refusal(): MayflyError | undefined {
    const refusal = this.#refusal
    return refusal !== undefined && this.#clock.bootMs() - refusal.bootMs <= refusalCountsMs ? refusal.error : undefined
  }

  [Symbol.dispose](): void {
    this.#held.dispose()
  }

  #refused(error: MayflyError): void {
    const bootMs = this.#clock.bootMs()
    const { sinceBootMs, saidBootMs, count } = this.#refusal ?? { sinceBootMs: bootMs, saidBootMs: Number.NEGATIVE_INFINITY, count: 0 }
    const isSaid = bootMs - saidBootMs < saidAgainMs
    this.#refusal = { error, bootMs, sinceBootMs, saidBootMs: isSaid ? saidBootMs : bootMs, count: count + 1 }
    if (!isSaid) this.#log.error({ event: 'store.unwritable', code: error.code, error, refused: count + 1 }, 'a change could not be written: nothing of it was done')
  }

  #committed(): void {
    if (this.#refusal === undefined) return
    const { sinceBootMs, count } = this.#refusal
    this.#refusal = undefined
    this.#log.info({ event: 'store.writable', refused: count, ms: Math.round(this.#clock.bootMs() - sinceBootMs) }, 'changes are written again')
  }
}

interface Refusal {
  readonly error: MayflyError
  readonly bootMs: number
  readonly sinceBootMs: number
  readonly saidBootMs: number
  /** Commits that were refused, of one change or many. */
  readonly count: number
}
