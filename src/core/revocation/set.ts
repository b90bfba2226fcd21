import { concatBytes } from '../bytes.ts'
import { serialBytes } from '../serial.ts'
import type { SpiffeId } from '../spiffe-id.ts'
import { grantPrefixesOf } from '../task.ts'
import { Bitmap } from './bitmap.ts'
import { ByteWriter } from './byte-stream.ts'
import { outcomes, type ChainFacts, type CheckOutcome } from './check.ts'
import { maxIndex, type RevocationEvent, type Sha256, type UnknownEvent } from './codec.ts'
import { encodeAuthorities, encodeBitmaps, encodePrefixes, includesBits, sectionTypes, type AuthorityState, type BucketState, type PrefixState, type SnapshotContent } from './snapshot.ts'

interface Bucket {
  readonly superseded: Bitmap
  readonly revoked: Bitmap
  /** SHA-256 of its bitmaps; unset after a change. */
  hash: Uint8Array | undefined
}

/** Minutes that a bucket is kept after its own has passed (design 6). */
export const keptMinutes = 5
const rootContext = new TextEncoder().encode('mayfly revocation root 1\0')

/** The floor at a moment of the stream's time: the first minute whose bucket is still kept. */
export function floorMinuteAt(streamMs: number): number {
  return Math.max(0, Math.floor(streamMs / 60_000) - keptMinutes)
}

/**
 * The revocation set: two bits for each issued credential, by shard, minute and index, the authorities, and the closed prefixes of grant trees. Bits are
 * only ever set within a bucket's life, so that applying an event again, or later than another, does no harm.
 */
export class RevocationSet {
  /** By shard, then minute. */
  readonly #shards: (Map<number, Bucket> | undefined)[] = []
  readonly #authorities = new Map<string, { indexed: boolean; revoked: boolean }>()
  /** Closed grants, each with the minute that it is kept through. */
  readonly #prefixes = new Map<SpiffeId, number>()
  /** SHA-256 of their section; unset after a change. */
  #prefixHash: Uint8Array | undefined
  #floorMinute = 0
  /** Unset after a change. */
  #root: Uint8Array | undefined

  static fromSnapshot(content: SnapshotContent): RevocationSet {
    const set = new RevocationSet()
    set.#floorMinute = content.floorMinute
    for (const { id, indexed, revoked } of content.authorities) set.#authorities.set(id, { indexed, revoked })
    for (const { shard, minute, superseded, revoked } of content.buckets) {
      if (minute >= content.floorMinute) set.#shard(shard).set(minute, { superseded: new Bitmap(superseded), revoked: new Bitmap(revoked), hash: undefined })
    }
    for (const { prefix, minute } of content.prefixes) if (minute >= content.floorMinute) set.#prefixes.set(prefix, minute)
    return set
  }

  get floorMinute(): number {
    return this.#floorMinute
  }

  /** True when it changed anything. An event for a minute that is gone, and one of an unknown kind, change nothing. */
  apply(event: RevocationEvent | UnknownEvent): boolean {
    switch (event.kind) {
      case 'superseded':
      case 'revoked': {
        if (event.minute < this.#floorMinute) return false
        const bucket = this.#bucket(event.shard, event.minute)
        const changed = bucket[event.kind].set(event.index)
        if (changed) bucket.hash = this.#root = undefined
        return changed
      }
      case 'authority_indexed':
        return this.#mark(event.authorityId, 'indexed')
      case 'authority_revoked':
        return this.#mark(event.authorityId, 'revoked')
      case 'prefix_closed': {
        if (event.minute < this.#floorMinute || event.minute <= (this.#prefixes.get(event.prefix) ?? -1)) return false
        this.#prefixes.set(event.prefix, event.minute)
        this.#prefixHash = this.#root = undefined
        return true
      }
      case 'identity_ended':
      case 'unknown':
        return false
      default:
        return event satisfies never
    }
  }

  /** Raises the floor and drops the buckets and the prefixes below; a lower one changes nothing. */
  dropBelow(floorMinute: number): void {
    if (floorMinute <= this.#floorMinute) return
    this.#floorMinute = floorMinute
    this.#root = undefined
    for (const shard of this.#shards) {
      if (shard === undefined) continue
      for (const minute of shard.keys()) if (minute < floorMinute) shard.delete(minute)
    }
    for (const [prefix, minute] of this.#prefixes) {
      if (minute >= floorMinute) continue
      this.#prefixes.delete(prefix)
      this.#prefixHash = undefined
    }
  }

  check(facts: ChainFacts): CheckOutcome {
    for (const id of facts.aboveIds) if (this.#authorities.get(id)?.revoked === true) return { kind: 'authority_revoked', authorityId: id }
    const authority = this.#authorities.get(facts.authorityId)
    if (authority?.revoked === true) return { kind: 'authority_revoked', authorityId: facts.authorityId }
    if (authority?.indexed !== true) return { kind: 'unindexed', authorityId: facts.authorityId }
    const { serial } = facts
    if (serial.length !== serialBytes) return outcomes.malformed
    const shard = serial[0] ?? 0
    const minute = uint32(serial, 1)
    const index = uint32(serial, 5)
    if (shard < 1 || shard > 127 || index > maxIndex || minute !== Math.floor(facts.notAfterMs / 60_000)) return outcomes.malformed
    if (minute < this.#floorMinute) return outcomes.expired
    const bucket = this.#shards[shard]?.get(minute)
    if (bucket?.revoked.has(index) === true) return outcomes.revoked
    const closedPrefix = this.#prefixes.size === 0 ? undefined : this.#closedPrefixOf(facts.id)
    if (closedPrefix !== undefined) return { kind: 'revoked', closedPrefix }
    return bucket?.superseded.has(index) === true ? outcomes.superseded : outcomes.good
  }

  /** Whether an authority was revoked; unknown ones were not. */
  isAuthorityRevoked(id: string): boolean {
    return this.#authorities.get(id)?.revoked === true
  }

  /** 32 bytes that are equal exactly when two sets and their floors are. Costs little when little changed, nothing when nothing did: it is kept, and hashes per bucket. */
  root(sha256: Sha256): Uint8Array {
    return (this.#root ??= this.#computeRoot(sha256))
  }

  /** Canonical: equal sets give equal snapshots. The bitmaps are copies. */
  snapshot(): SnapshotContent {
    const buckets = this.#ordered().map(({ shard, minute, bucket }): BucketState => ({ shard, minute, superseded: bucket.superseded.trimmed().slice(), revoked: bucket.revoked.trimmed().slice() }))
    return { floorMinute: this.#floorMinute, authorities: this.#orderedAuthorities(), buckets, prefixes: this.#orderedPrefixes() }
  }

  /** Whether all that `other` holds, at or above this set's floor, is here too. */
  includes(other: RevocationSet): boolean {
    for (const [id, theirs] of other.#authorities) {
      const ours = this.#authorities.get(id)
      if ((theirs.indexed && ours?.indexed !== true) || (theirs.revoked && ours?.revoked !== true)) return false
    }
    for (const [prefix, minute] of other.#prefixes) if (minute >= this.#floorMinute && (this.#prefixes.get(prefix) ?? -1) < minute) return false
    return other.#ordered().every(({ shard, minute, bucket }) => {
      if (minute < this.#floorMinute) return true
      const ours = this.#shards[shard]?.get(minute)
      return ours !== undefined && includesBits(ours.superseded.trimmed(), bucket.superseded.trimmed()) && includesBits(ours.revoked.trimmed(), bucket.revoked.trimmed())
    })
  }

  /** For `status` and the bench. */
  figures(): { readonly buckets: number; readonly bitmapBytes: number; readonly authorities: number; readonly prefixes: number } {
    const ordered = this.#ordered()
    const bitmapBytes = ordered.reduce((sum, { bucket }) => sum + bucket.superseded.heldBytes + bucket.revoked.heldBytes, 0)
    return { buckets: ordered.length, bitmapBytes, authorities: this.#authorities.size, prefixes: this.#prefixes.size }
  }

  #computeRoot(sha256: Sha256): Uint8Array {
    const buckets = new ByteWriter(1024)
    for (const { shard, minute, bucket } of this.#ordered()) {
      bucket.hash ??= sha256(encodeBitmaps(bucket.superseded.trimmed(), bucket.revoked.trimmed()))
      buckets.u8(shard)
      buckets.u32(minute)
      buckets.bytes(bucket.hash)
    }
    const floor = new ByteWriter(4)
    floor.u32(this.#floorMinute)
    const basic = [rootContext, floor.finish(), sha256(encodeAuthorities(this.#orderedAuthorities())), sha256(buckets.finish())]
    if (this.#prefixes.size === 0) return sha256(concatBytes(...basic))
    this.#prefixHash ??= sha256(encodePrefixes(this.#orderedPrefixes()))
    return sha256(concatBytes(...basic, Uint8Array.of(sectionTypes.prefixes), this.#prefixHash))
  }

  /** The highest closed prefix at or above this ID. */
  #closedPrefixOf(id: SpiffeId): SpiffeId | undefined {
    return grantPrefixesOf(id).find((prefix) => this.#prefixes.has(prefix))
  }

  #mark(id: string, flag: 'indexed' | 'revoked'): boolean {
    const authority = this.#authorities.get(id) ?? { indexed: false, revoked: false }
    if (authority[flag]) return false
    this.#root = undefined
    authority[flag] = true
    this.#authorities.set(id, authority)
    return true
  }

  #shard(shard: number): Map<number, Bucket> {
    const buckets = this.#shards[shard] ?? new Map<number, Bucket>()
    this.#shards[shard] = buckets
    return buckets
  }

  #bucket(shard: number, minute: number): Bucket {
    const buckets = this.#shard(shard)
    const bucket = buckets.get(minute) ?? { superseded: new Bitmap(), revoked: new Bitmap(), hash: undefined }
    buckets.set(minute, bucket)
    return bucket
  }

  #ordered(): { readonly shard: number; readonly minute: number; readonly bucket: Bucket }[] {
    return this.#shards.flatMap((buckets, shard) => [...(buckets ?? [])].sort(([left], [right]) => left - right).map(([minute, bucket]) => ({ shard, minute, bucket })))
  }

  #orderedPrefixes(): PrefixState[] {
    return [...this.#prefixes].map(([prefix, minute]) => ({ prefix, minute })).sort((left, right) => (left.prefix < right.prefix ? -1 : 1))
  }

  #orderedAuthorities(): AuthorityState[] {
    return [...this.#authorities].map(([id, { indexed, revoked }]) => ({ id, indexed, revoked })).sort((left, right) => (left.id < right.id ? -1 : 1))
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
}
