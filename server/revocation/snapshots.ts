import { setImmediate as nextTurn } from 'node:timers/promises'
import { toHex } from '../../src/core/bytes.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import { snapshotFrame, splitState, type StreamState } from './frames.ts'
import type { StreamSigningKey } from './stream-signer.ts'
import type { SharedFrame } from './subscriber.ts'

/** The whole set at one place of the stream, signed. It never changes. */
export interface Snapshot {
  /** Hexadecimal: the root of the set that it holds, which is the same for equal sets. */
  readonly name: string
  readonly head: StreamHead
  readonly frames: readonly SharedFrame[]
}

/** A snapshot that is this old still serves: the events since then go after it. */
const servesMs = 1_000

/** Snapshots for those who come anew or were left behind: made once and shared by all, at most one for a head, a part in each turn of the event loop. */
export class Snapshots {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger }
  #newest: { readonly snapshot: Snapshot; readonly floorMinute: number; readonly key: StreamSigningKey; readonly madeBootMs: number } | undefined
  #making: Promise<void> | undefined

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#deps = deps
  }

  /** One that this key signed, of the present head or of some place within the last second; `undefined` when one must be {@link made} first. */
  serving({ head, set }: StreamState, key: StreamSigningKey): Snapshot | undefined {
    const newest = this.#newest
    if (newest?.key !== key) return undefined
    const isPresent = newest.snapshot.head.seq === head.seq && newest.floorMinute === set.floorMinute
    return isPresent || this.#deps.clock.bootMs() - newest.madeBootMs <= servesMs ? newest.snapshot : undefined
  }

  /** Makes one of the state at this moment; whoever asks while one is being made waits for that. */
  async made(state: StreamState, key: StreamSigningKey): Promise<void> {
    this.#making ??= this.#make(state, key).finally(() => (this.#making = undefined))
    await this.#making
  }

  async #make(state: StreamState, key: StreamSigningKey): Promise<void> {
    const { clock, logger } = this.#deps
    const signedAtMs = clock.nowMs()
    const { head } = state
    const { floorMinute } = state.set
    const name = toHex(state.set.root(sha256))
    const parts = splitState(state) // a copy: what is committed meanwhile is not in it
    const frames: SharedFrame[] = []
    for (const [part, content] of parts.entries()) {
      if (part > 0) await nextTurn()
      frames.push(snapshotFrame({ head, floorMinute }, signedAtMs, { part, parts: parts.length, content }, key))
    }
    this.#newest = { snapshot: { name, head, frames }, floorMinute, key, madeBootMs: clock.bootMs() }
    logger.debug({ event: 'revocation.snapshot', name, seq: head.seq, parts: frames.length, bytes: frames.reduce((sum, { bytes }) => sum + bytes.length, 0) }, 'a snapshot of the revocation set was made')
  }
}
