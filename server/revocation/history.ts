import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { decodeEvent, emptyChainHash, type RevocationEvent, type UnknownEvent } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { RevocationSet } from '../../src/core/revocation/set.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { LoadedSet, Store, StreamEvent } from '../store/port.ts'
import { StreamRing } from './ring.ts'

/** How far behind a reader may be for being caught up by events; beyond, a snapshot is shorter. */
const maxEventsFromStore = 20_000
const origin: StreamEvent = { seq: 0, event: new Uint8Array(0), chainHash: emptyChainHash, atMs: 0 }

/** What the store has made durable of the stream, as the server holds it: the set, the newest events, and the older ones from the store. */
export class StreamHistory {
  readonly set: RevocationSet
  readonly ring: StreamRing
  readonly #epoch: number

  constructor(epoch: number, loaded: LoadedSet, floorMinute: number) {
    this.#epoch = epoch
    this.set = setOf(loaded, floorMinute)
    this.ring = new StreamRing(loaded)
  }

  get head(): StreamHead {
    return { epoch: this.#epoch, seq: this.ring.seq, chainHash: this.ring.chainHash }
  }

  /** Takes a durable event in, in order; `undefined` for one that is known already. @throws {MayflyError} STORE_CORRUPT */
  take(streamEvent: StreamEvent): RevocationEvent | UnknownEvent | undefined {
    if (streamEvent.seq <= this.ring.seq) return undefined
    const event = decodeEvent(streamEvent.event)
    if (event === undefined || streamEvent.seq !== this.ring.seq + 1) throw new MayflyError('STORE_CORRUPT', `event ${streamEvent.seq} of the revocation stream is malformed or out of order`)
    this.ring.push(streamEvent)
    this.set.apply(event)
    return event
  }

  /** That what the file says is what was followed. @throws {MayflyError} STORE_CORRUPT */
  checkAgainst(durable: { readonly seq: number; readonly chainHash: Uint8Array }): void {
    const ours = this.ring.hashAt(durable.seq)
    if (durable.seq > this.ring.seq || (ours !== undefined && !equalBytes(ours, durable.chainHash))) {
      throw new MayflyError('STORE_CORRUPT', `the durable head of the revocation stream (${durable.seq}) is not the one that was followed (${this.ring.seq})`)
    }
  }

  /** Events after a position that the ring no longer reaches back to, from the store; none when it does, or when a snapshot is shorter or needed. */
  async olderThanRing({ epoch, seq, chainHash }: StreamHead, store: Pick<Store['stream'], 'eventsAfter'>, logger: Logger): Promise<readonly StreamEvent[]> {
    const { head } = this
    if (epoch > head.epoch || (epoch === head.epoch && seq > head.seq)) {
      logger.error({ event: 'revocation.reader_ahead', epoch, seq, ownEpoch: head.epoch, ownSeq: head.seq }, 'a reader of the revocation stream claims to have seen more than this server has')
    }
    if (epoch !== head.epoch || head.seq - seq > maxEventsFromStore || this.ring.after(seq, chainHash) !== 'too_old') return []
    const [at, ...events] = seq === 0 ? [origin, ...(await store.eventsAfter(0, head.seq))] : await store.eventsAfter(seq - 1, head.seq - seq + 1)
    const isWhole = at !== undefined && at.seq === seq && equalBytes(at.chainHash, chainHash) && (events[0]?.seq ?? seq + 1) === seq + 1
    return isWhole ? events : [] // what the store no longer keeps, a snapshot tells
  }

  /** Events after a position that the ring reaches back to; `undefined` when a snapshot is needed. */
  newerThan(epoch: number, seq: number, chainHash: Uint8Array): readonly StreamEvent[] | undefined {
    if (epoch !== this.#epoch) return undefined
    const events = this.ring.after(seq, chainHash)
    return typeof events === 'string' ? undefined : events
  }
}

function setOf(loaded: LoadedSet, floorMinute: number): RevocationSet {
  const set = new RevocationSet()
  set.dropBelow(floorMinute)
  for (const { id, revoked } of loaded.authorities) {
    set.apply({ kind: 'authority_indexed', authorityId: id })
    if (revoked) set.apply({ kind: 'authority_revoked', authorityId: id })
  }
  for (const { shard, minute, superseded, revoked } of loaded.buckets) {
    for (const index of superseded) set.apply({ kind: 'superseded', shard, minute, index })
    for (const index of revoked) set.apply({ kind: 'revoked', shard, minute, index })
  }
  for (const { prefix, minute } of loaded.prefixes) set.apply({ kind: 'prefix_closed', prefix, minute })
  return set
}
