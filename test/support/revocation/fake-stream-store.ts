import { chainHash, decodeEvent, emptyChainHash, encodeEvent, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { sha256 } from '../../../src/x509/fingerprint.ts'
import type { RevocationStreamDeps } from '../../../server/revocation/stream.ts'
import type { Commit, Domain, JournalStore, LoadedSet, StreamEvent } from '../../../server/store/port.ts'
import { trustDomain } from '../verify/certificates.ts'

/** The part of a store that the revocation stream follows: a list of durable events. */
export class FakeStreamStore {
  readonly events: StreamEvent[] = []
  readonly domain: Domain = { trustDomain, shard: 1, epoch: 1_700_000_000, createdAtMs: 0 }
  headReads = 0
  /** Set: the durable head cannot be read. */
  broken = false
  prunedThrough = 0
  readonly #listeners = new Set<(commit: Commit) => void>()

  commit(...events: readonly RevocationEvent[]): void {
    const streamEvents = events.map((event): StreamEvent => {
      const bytes = encodeEvent(event)
      const streamEvent = { seq: this.events.length + 1, event: bytes, chainHash: chainHash(this.events.at(-1)?.chainHash ?? emptyChainHash, bytes, sha256), atMs: 0 }
      this.events.push(streamEvent)
      return streamEvent
    })
    for (const listener of this.#listeners) listener({ records: [], streamEvents })
  }

  set(): RevocationSet {
    const set = new RevocationSet()
    for (const { event } of this.events) set.apply(decodeEvent(event) ?? { kind: 'unknown', type: 0 })
    return set
  }

  readonly stream: RevocationStreamDeps['store']['stream'] = {
    head: async () => {
      this.headReads++
      if (this.broken) throw new Error('the disk is gone')
      return Promise.resolve({ seq: this.events.length, chainHash: this.events.at(-1)?.chainHash ?? emptyChainHash })
    },
    eventsAfter: async (seq, limit) => Promise.resolve(this.events.slice(Math.max(seq, this.prunedThrough)).slice(0, limit)),
    prune: async (throughSeq) => Promise.resolve((this.prunedThrough = throughSeq)),
    load: async (fromMinute) => Promise.resolve(this.#load(fromMinute)),
  }

  readonly journal: JournalStore = {
    onCommit: (listener) => {
      this.#listeners.add(listener)
      return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
    },
    onRefused: () => ({ [Symbol.dispose]: () => undefined }),
    head: unused,
    from: unused,
    verify: unused,
    probe: unused,
    waiting: () => 0,
    figures: unused,
  }

  #load(fromMinute: number): LoadedSet {
    const { authorities, buckets, prefixes } = this.set().snapshot()
    return {
      seq: this.events.length,
      chainHash: this.events.at(-1)?.chainHash ?? emptyChainHash,
      buckets: buckets.filter(({ minute }) => minute >= fromMinute).map(({ shard, minute, superseded, revoked }) => ({ shard, minute, superseded: bitsOf(superseded), revoked: bitsOf(revoked) })),
      authorities: authorities.map(({ id, revoked }) => ({ id, revoked })),
      prefixes: prefixes.filter(({ minute }) => minute >= fromMinute),
    }
  }
}

function bitsOf(bitmap: Uint8Array): number[] {
  return Array.from({ length: bitmap.length * 8 }, (_, index) => index).filter((index) => ((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) !== 0)
}

async function unused(): Promise<never> {
  return Promise.reject(new Error('not part of this fake'))
}
