import { encodePem } from '../../x509/pem.ts'
import type { Clock } from '../../ports/clock.ts'
import { pemOf, type FetchedSvid } from '../svids.ts'
import type { SvidFileSet } from './file-set.ts'
import type { Held } from './held.ts'
import { tellReader, type FilesState, type Reload } from './reader.ts'

/** What became of the files. */
export type FilesEvent =
  | { readonly kind: 'written'; readonly svid: FetchedSvid }
  | { readonly kind: 'withdrawn' | 'unwritten' | 'reload_failed'; readonly why: string }
  /** Only where there is somebody to tell. */
  | { readonly kind: 'reloaded'; readonly state: FilesState }

export interface KeepDeps {
  readonly set: Pick<SvidFileSet, 'write' | 'remove' | 'tidy'>
  readonly reload: Reload
  readonly reloadLimitMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly say: (event: FilesEvent) => void
  /** End after the first state that was written and told. */
  readonly once: boolean
}

/** Longer than any program takes from one file to the next: a state of the files stays at least so long. */
const settleMs = 2_000
const retryMs = { least: 1_000, most: 60_000 }

/**
 * Writes each state and tells the reader of the files; the newest counts, and what fails is tried again until it does not, or there is a newer one. What was withdrawn
 * is removed, also what a run before left, and the reader is told of that.
 */
export async function keepFiles(states: (signal: AbortSignal) => AsyncGenerator<Held>, deps: KeepDeps): Promise<void> {
  const over = new AbortController()
  const newest = new Newest()
  const until = AbortSignal.any([deps.signal, over.signal])
  const following = follow(states(until), newest).finally(() => over.abort())
  try {
    while (!until.aborted) {
      const state = await newest.next(until)
      if (state === undefined) break
      const isDone = await settle(state, newest, deps, until)
      if (isDone && deps.once && state.kind === 'held') return
      if (state.kind === 'held') await newest.until((next) => next.kind === 'withdrawn', deps.clock, settleMs, until)
      await deps.set.tidy()
    }
  } finally {
    over.abort()
    await following
  }
}

/** Resolves with true once this state holds and its reader knows, with false when there is another before that. */
async function settle(state: Held, newest: Newest, { set, reload, reloadLimitMs, clock, say }: KeepDeps, until: AbortSignal): Promise<boolean> {
  let isWritten = false
  for (let failures = 0; !until.aborted; failures++) {
    try {
      if (!isWritten && !(await apply(state, set, say))) return true
      isWritten = true
      const now: FilesState = state.kind === 'held' ? 'written' : 'withdrawn'
      await tellReader(reload, now, reloadLimitMs, until)
      if (reload.kind !== 'none') say({ kind: 'reloaded', state: now })
      return true
    } catch (error) {
      if (until.aborted) return false
      say({ kind: isWritten ? 'reload_failed' : 'unwritten', why: error instanceof Error ? error.message : String(error) })
      if (await newest.until(() => true, clock, Math.min(retryMs.most, retryMs.least * 2 ** failures), until)) return false
    }
  }
  return false
}

/** False when it changed nothing. */
async function apply(state: Held, set: KeepDeps['set'], say: KeepDeps['say']): Promise<boolean> {
  if (state.kind === 'withdrawn') {
    const wasThere = await set.remove()
    say({ kind: 'withdrawn', why: state.why })
    return wasThere
  }
  const { svid } = state
  await set.write({ ...pemOf(svid), crl: svid.crls.length === 0 ? undefined : svid.crls.map((der) => encodePem('X509 CRL', der)).join('') })
  say({ kind: 'written', svid })
  return true
}

async function follow(states: AsyncGenerator<Held>, newest: Newest): Promise<void> {
  let wasWithdrawn = false
  for await (const state of states) {
    const isWithdrawn = state.kind === 'withdrawn'
    if (!isWithdrawn || !wasWithdrawn) newest.put(state) // the agent is asked again and again: it is done once
    wasWithdrawn = isWithdrawn
  }
}

/** Holds the newest state that was not taken. */
class Newest {
  #state: Held | undefined
  readonly #waiting = new Set<() => void>()

  put(state: Held): void {
    this.#state = state
    for (const wake of this.#waiting) wake()
  }

  /** Takes it, once there is one; undefined when `signal` aborts first. */
  async next(signal: AbortSignal): Promise<Held | undefined> {
    await this.#arrives(() => true, signal)
    const state = this.#state
    this.#state = undefined
    return state
  }

  /** Whether one that fits came within this time; it is not taken. */
  async until(fits: (state: Held) => boolean, clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const slept = clock.sleep(ms, either).then(() => over.abort(), () => undefined)
    await this.#arrives(fits, either)
    over.abort()
    await slept
    return this.#state !== undefined && fits(this.#state)
  }

  async #arrives(fits: (state: Held) => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (this.#state === undefined || !fits(this.#state))) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = (): void => resolve()
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
      await promise
      this.#waiting.delete(wake)
      signal.removeEventListener('abort', wake)
    }
  }
}
