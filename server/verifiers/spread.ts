import { decodeEvent, isEnding } from '../../src/core/revocation/codec.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Commit } from '../store/port.ts'

/** What one commit revoked, and how long after it receipts came. */
export interface Revocation {
  /** Of its last event. */
  readonly seq: number
  readonly committedAtMs: number
  readonly committedBootMs: number
  /** Credentials and authorities revoked. */
  readonly events: number
  /** From the commit to the arrival of the first receipt that has it, less for how long the verifier held that back: ms, by verifier that was registered then, in no order. */
  readonly delaysMs: number[]
}

const kept = 100

/** The newest revocations, and how they spread. */
export class Spread {
  readonly #clock: Clock
  readonly #listeners = new Set<(delayMs: number) => void>()
  #revocations: Revocation[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The newest last. */
  get revocations(): readonly Revocation[] {
    return this.#revocations
  }

  /** Called with the delay of each receipt, for each revocation that it has. It must not throw. */
  onReceipt(listener: (delayMs: number) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  committed({ streamEvents }: Commit): void {
    const revoked = streamEvents.filter(({ event }) => isRevocation(event))
    const last = revoked.at(-1)
    if (last === undefined) return
    this.#revocations.push({ seq: last.seq, committedAtMs: this.#clock.nowMs(), committedBootMs: this.#clock.bootMs(), events: revoked.length, delaysMs: [] })
    if (this.#revocations.length > kept) this.#revocations.shift()
  }

  /** A verifier that registered at `sinceBootMs` and was at `fromSeq` has come to `toSeq`, by a receipt that arrived then. */
  receipted(fromSeq: number, toSeq: number, arrivedBootMs: number, sinceBootMs: number): void {
    for (let at = this.#revocations.length - 1; at >= 0; at--) {
      const revocation = this.#revocations[at]
      if (revocation === undefined || revocation.seq <= fromSeq || revocation.committedBootMs < sinceBootMs) return
      if (revocation.seq > toSeq) continue
      const delayMs = Math.max(0, Math.round(arrivedBootMs - revocation.committedBootMs))
      revocation.delaysMs.push(delayMs)
      for (const listener of this.#listeners) listener(delayMs)
    }
  }

  /** When an event was committed, by the time since boot; unset for one that is not among those kept. */
  committedBootMs(seq: number): number | undefined {
    return this.#revocations.find((revocation) => revocation.seq >= seq)?.committedBootMs
  }
}

/** The value that this share of them do not exceed; -1 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? -1
}

function isRevocation(bytes: Uint8Array): boolean {
  const event = decodeEvent(bytes)
  return event !== undefined && event.kind !== 'identity_ended' && isEnding(event)
}
