import { fromHex, toHex } from '../bytes.ts'
import type { SpiffeId } from '../spiffe-id.ts'
import { ByteReader, ByteWriter } from './byte-stream.ts'
import { firstSkippableType, hashBytes, maxIndex, readGrantId } from './codec.ts'

/** The two bitmaps of a (shard, minute). Bit i is `byte[i >> 3] & (1 << (i & 7))`; trailing zero bytes are cut. Not both are empty. */
export interface BucketState {
  readonly shard: number
  readonly minute: number
  readonly superseded: Uint8Array
  readonly revoked: Uint8Array
}

export interface AuthorityState {
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly id: string
  readonly indexed: boolean
  readonly revoked: boolean
}

/** A grant that has ended with all below it, kept as long as a bucket of that minute. */
export interface PrefixState {
  readonly prefix: SpiffeId
  readonly minute: number
}

/** A whole set: authorities in ascending order of id, buckets of (shard, minute), prefixes of their bytes. */
export interface SnapshotContent {
  readonly floorMinute: number
  readonly authorities: readonly AuthorityState[]
  readonly buckets: readonly BucketState[]
  readonly prefixes: readonly PrefixState[]
}

export type SnapshotPart = Omit<SnapshotContent, 'floorMinute'>

export const sectionTypes = { authorities: 1, buckets: 2, prefixes: 3 } as const
const ascii = new TextEncoder()
const maxBitmapBytes = (maxIndex + 1) / 8
const authorityFlags = { indexed: 1, revoked: 2 } as const

/** Cuts a set into parts of about `maxBytes` each, at least one; a part is never larger than `maxBytes` by more than one bucket. */
export function splitSnapshot(content: SnapshotPart, maxBytes: number): readonly SnapshotPart[] {
  const parts: SnapshotPart[] = []
  let authorities: AuthorityState[] = []
  let buckets: BucketState[] = []
  let prefixes: PrefixState[] = []
  let size = 0
  const cutBefore = (next: number): void => {
    if (size > 0 && size + next > maxBytes) {
      parts.push({ authorities, buckets, prefixes })
      authorities = []
      buckets = []
      prefixes = []
      size = 0
    }
    size += next
  }
  for (const authority of content.authorities) {
    cutBefore(hashBytes + 1)
    authorities.push(authority)
  }
  for (const bucket of content.buckets) {
    cutBefore(13 + bucket.superseded.length + bucket.revoked.length)
    buckets.push(bucket)
  }
  for (const closed of content.prefixes) {
    cutBefore(8 + closed.prefix.length)
    prefixes.push(closed)
  }
  if (size > 0 || parts.length === 0) parts.push({ authorities, buckets, prefixes })
  return parts
}

/** Sections `type u8 | length u32 | payload`, ascending by type, empty ones left out. */
export function writeSections(writer: ByteWriter, part: SnapshotPart): void {
  writeSection(writer, sectionTypes.authorities, encodeAuthorities(part.authorities))
  writeSection(writer, sectionTypes.buckets, encodeBuckets(part.buckets))
  writeSection(writer, sectionTypes.prefixes, encodePrefixes(part.prefixes))
}

/** `undefined` when anything is malformed, out of order, or of an unknown type that may not be skipped. */
export function readSections(reader: ByteReader): SnapshotPart | undefined {
  let authorities: readonly AuthorityState[] = []
  let buckets: readonly BucketState[] = []
  let prefixes: readonly PrefixState[] = []
  let before = 0
  while (reader.ok && !reader.atEnd) {
    const type = reader.u8()
    const payload = new ByteReader(reader.bytes(reader.u32()))
    if (!reader.ok || type <= before || payload.atEnd) return undefined
    before = type
    if (type === sectionTypes.authorities) {
      const read = readAuthorities(payload)
      if (read === undefined) return undefined
      authorities = read
    } else if (type === sectionTypes.buckets) {
      const read = readBuckets(payload)
      if (read === undefined) return undefined
      buckets = read
    } else if (type === sectionTypes.prefixes) {
      const read = readPrefixes(payload)
      if (read === undefined) return undefined
      prefixes = read
    } else if (type < firstSkippableType) return undefined
  }
  return reader.ok ? { authorities, buckets, prefixes } : undefined
}

/** Joins parts in their order; `undefined` when the items are not ascending over the parts. */
export function joinParts(floorMinute: number, parts: readonly SnapshotPart[]): SnapshotContent | undefined {
  const authorities = parts.flatMap((part) => part.authorities)
  const buckets = parts.flatMap((part) => part.buckets)
  const prefixes = parts.flatMap((part) => part.prefixes)
  return isAscendingAuthorities(authorities) && isAscendingBuckets(buckets) && isAscendingPrefixes(prefixes) ? { floorMinute, authorities, buckets, prefixes } : undefined
}

/** id (32) | flags u8, one after another: payload of section 1, and what the root covers. */
export function encodeAuthorities(authorities: readonly AuthorityState[]): Uint8Array {
  const writer = new ByteWriter(authorities.length * (hashBytes + 1))
  for (const { id, indexed, revoked } of authorities) {
    writer.bytes(fromHex(id) ?? new Uint8Array(hashBytes)) // ids come from toHex alone
    writer.u8((indexed ? authorityFlags.indexed : 0) | (revoked ? authorityFlags.revoked : 0))
  }
  return writer.finish()
}

/** minute u32 | shared u16 | length u16 | rest, one after another: payload of section 3, and what the root covers when there are any. An ID begins with so many characters of the one before. */
export function encodePrefixes(prefixes: readonly PrefixState[]): Uint8Array {
  const writer = new ByteWriter(1024)
  let before = ''
  for (const { prefix, minute } of prefixes) {
    const shared = sharedLength(before, prefix)
    writer.u32(minute)
    writer.u16(shared)
    writer.u16(prefix.length - shared)
    writer.bytes(ascii.encode(prefix.slice(shared)))
    before = prefix
  }
  return writer.finish()
}

function sharedLength(left: string, right: string): number {
  let at = 0
  while (at < left.length && at < right.length && left.charCodeAt(at) === right.charCodeAt(at)) at += 1
  return at
}

/** superseded length u32 | bytes | revoked length u32 | bytes: the rest of a bucket after shard and minute, and what its hash is over. */
export function encodeBitmaps(superseded: Uint8Array, revoked: Uint8Array): Uint8Array {
  const writer = new ByteWriter(8 + superseded.length + revoked.length)
  for (const bitmap of [superseded, revoked]) {
    writer.u32(bitmap.length)
    writer.bytes(bitmap)
  }
  return writer.finish()
}

function encodeBuckets(buckets: readonly BucketState[]): Uint8Array {
  const writer = new ByteWriter(1024)
  for (const { shard, minute, superseded, revoked } of buckets) {
    writer.u8(shard)
    writer.u32(minute)
    writer.bytes(encodeBitmaps(superseded, revoked))
  }
  return writer.finish()
}

function writeSection(writer: ByteWriter, type: number, payload: Uint8Array): void {
  if (payload.length === 0) return
  writer.u8(type)
  writer.u32(payload.length)
  writer.bytes(payload)
}

function readAuthorities(reader: ByteReader): readonly AuthorityState[] | undefined {
  const authorities: AuthorityState[] = []
  while (!reader.atEnd) {
    const id = toHex(reader.bytes(hashBytes))
    const flags = reader.u8()
    if (!reader.ok || flags === 0 || flags > 3) return undefined
    authorities.push({ id, indexed: (flags & authorityFlags.indexed) !== 0, revoked: (flags & authorityFlags.revoked) !== 0 })
  }
  return isAscendingAuthorities(authorities) ? authorities : undefined
}

function readBuckets(reader: ByteReader): readonly BucketState[] | undefined {
  const buckets: BucketState[] = []
  while (!reader.atEnd) {
    const bucket: BucketState = { shard: reader.u8(), minute: reader.u32(), superseded: readBitmap(reader), revoked: readBitmap(reader) }
    if (!reader.ok || bucket.shard < 1 || bucket.shard > 127 || bucket.superseded.length + bucket.revoked.length === 0) return undefined
    if (!isTrimmed(bucket.superseded) || !isTrimmed(bucket.revoked)) return undefined
    buckets.push(bucket)
  }
  return isAscendingBuckets(buckets) ? buckets : undefined
}

function readPrefixes(reader: ByteReader): readonly PrefixState[] | undefined {
  const prefixes: PrefixState[] = []
  while (!reader.atEnd) {
    const minute = reader.u32()
    const before = prefixes.at(-1)?.prefix ?? ''
    const shared = reader.u16()
    const prefix = shared > before.length ? undefined : readGrantId(reader, reader.u16(), before.slice(0, shared))
    if (prefix === undefined || sharedLength(before, prefix) !== shared) return undefined // it has one form
    prefixes.push({ prefix, minute })
  }
  return isAscendingPrefixes(prefixes) ? prefixes : undefined
}

function readBitmap(reader: ByteReader): Uint8Array {
  return reader.bytes(reader.u32())
}

function isTrimmed(bitmap: Uint8Array): boolean {
  return bitmap.length <= maxBitmapBytes && bitmap.at(-1) !== 0
}

function isAscendingAuthorities(authorities: readonly AuthorityState[]): boolean {
  return authorities.every(({ id }, at) => at === 0 || (authorities[at - 1]?.id ?? '') < id)
}

function isAscendingBuckets(buckets: readonly BucketState[]): boolean {
  return buckets.every((bucket, at) => {
    const before = buckets[at - 1]
    return before === undefined || before.shard < bucket.shard || (before.shard === bucket.shard && before.minute < bucket.minute)
  })
}

function isAscendingPrefixes(prefixes: readonly PrefixState[]): boolean {
  return prefixes.every(({ prefix }, at) => at === 0 || (prefixes[at - 1]?.prefix ?? '') < prefix)
}

/** Whether every bit of `less` is in `more`. Both trimmed or not. */
export function includesBits(more: Uint8Array, less: Uint8Array): boolean {
  return less.every((byte, at) => (byte & ~(more[at] ?? 0)) === 0)
}

