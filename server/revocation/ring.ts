import { equalBytes } from '../../src/core/bytes.ts'
import type { StreamEvent } from '../store/port.ts'

const capacity = 4_096

/** The newest events of the stream, without a gap, for catching up readers that were away for a moment. */
export class StreamRing {
  /** Oldest first; trimmed to {@link capacity} when twice as long. */
  #events: StreamEvent[] = []
  /** The event before the oldest. */
  #base: { readonly seq: number; readonly chainHash: Uint8Array }

  constructor(base: { readonly seq: number; readonly chainHash: Uint8Array }) {
    this.#base = { seq: base.seq, chainHash: base.chainHash }
  }

  get seq(): number {
    return this.#base.seq + this.#events.length
  }

  get chainHash(): Uint8Array {
    return this.#events.at(-1)?.chainHash ?? this.#base.chainHash
  }

  /** @param event of the next number */
  push(event: StreamEvent): void {
    this.#events.push(event)
    if (this.#events.length < capacity * 2) return
    const dropped = this.#events.splice(0, capacity)
    const { seq, chainHash } = dropped.at(-1) ?? this.#base
    this.#base = { seq, chainHash }
  }

  /** Chain hash of an event that is here, or just before those; else `undefined`. */
  hashAt(seq: number): Uint8Array | undefined {
    return seq === this.#base.seq ? this.#base.chainHash : this.#events[seq - this.#base.seq - 1]?.chainHash
  }

  /** Events after `seq`, whose chain hash the caller states; `unknown` when the hash is another or `seq` is yet to come, `too_old` when they are no longer here. */
  after(seq: number, chainHash: Uint8Array): readonly StreamEvent[] | 'unknown' | 'too_old' {
    if (seq < this.#base.seq) return 'too_old'
    const ours = this.hashAt(seq)
    return ours === undefined || !equalBytes(ours, chainHash) ? 'unknown' : this.#events.slice(seq - this.#base.seq)
  }
}
