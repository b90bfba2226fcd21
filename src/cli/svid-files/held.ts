import { MayflyError } from '../../core/errors.ts'
import { isSpiffeId, pathOf } from '../../core/spiffe-id.ts'
import type { Clock } from '../../ports/clock.ts'
import type { FetchedSvid } from '../svids.ts'

/** What this process is entitled to now, of the one identity that was chosen. */
export type Held = { readonly kind: 'held'; readonly svid: FetchedSvid } | { readonly kind: 'withdrawn'; readonly why: string }

export interface Wish {
  /** A SPIFFE ID or its path; unset: the only one there is. */
  readonly id: string | undefined
  readonly hint: string | undefined
}

export interface HeldDeps {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The agent is away: what is held stays. Told once for each outage. */
  readonly lost: (why: string) => void
}

const retryMs = { least: 200, most: 5_000 }

/** States of one identity until `signal` aborts, over outages of the agent: those change nothing. @throws {MayflyError} USAGE when there are several to choose from */
export async function* heldStates(open: () => AsyncGenerator<readonly FetchedSvid[]>, wish: Wish, { clock, signal, lost }: HeldDeps): AsyncGenerator<Held> {
  const choice = new Choice(wish)
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      for await (const svids of open()) {
        failures = 0
        yield choice.of(svids)
      }
      if (failures === 0 && !signal.aborted) lost('the agent closed the connection')
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof MayflyError && error.code === 'USAGE') throw error
      if (error instanceof MayflyError && error.status === 'PERMISSION_DENIED') yield { kind: 'withdrawn', why: error.message }
      else if (failures === 0) lost(error instanceof Error ? error.message : String(error))
    }
    await clock.sleep(Math.min(retryMs.most, retryMs.least * 2 ** failures), signal).catch(() => undefined) // only aborts
  }
}

/** Keeps to what it chose first. */
class Choice {
  readonly #hint: string | undefined
  #id: string | undefined

  constructor({ id, hint }: Wish) {
    this.#id = id
    this.#hint = hint
  }

  of(svids: readonly FetchedSvid[]): Held {
    const fit = svids.filter((svid) => (this.#hint === undefined || svid.hint === this.#hint) && (this.#id === undefined || svid.spiffeId === this.#id || (!isSpiffeId(this.#id) && isSpiffeId(svid.spiffeId) && pathOf(svid.spiffeId) === this.#id)))
    const [svid] = fit
    if (svid === undefined) return { kind: 'withdrawn', why: `not entitled to ${this.#id ?? (this.#hint === undefined ? 'any identity' : `one with the hint ${this.#hint}`)}` }
    if (this.#id === undefined && new Set(fit.map(({ spiffeId }) => spiffeId)).size > 1) {
      throw new MayflyError('USAGE', 'this process has several identities', { hint: `say which: --as ${fit.map(({ spiffeId }) => spiffeId).join(', --as ')}` })
    }
    this.#id = svid.spiffeId
    return { kind: 'held', svid }
  }
}
