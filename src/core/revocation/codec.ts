import { fromHex, toHex } from '../bytes.ts'
import { MayflyError } from '../errors.ts'
import { isSpiffeId, type SpiffeId } from '../spiffe-id.ts'
import { taskOf } from '../task.ts'
import { ByteReader, ByteWriter } from './byte-stream.ts'

/**
 * Events of the revocation stream and the hash chain over them, as bytes of `docs/revocation.md`:
 * `type u8 | length u16 | payload`, big endian. An event is the unit of order: batches are only cuts of the sequence.
 */
export type RevocationEvent = SerialEvent | AuthorityEvent | PrefixEvent | IdentityEvent

/** A bit of one issued credential. Superseded: replaced by a renewal, open connections stay. Revoked: ended, connections are cut. */
export interface SerialEvent {
  readonly kind: 'superseded' | 'revoked'
  /** 1..127. */
  readonly shard: number
  /** ⌊notAfter / 60 s⌋. */
  readonly minute: number
  /** 0..{@link maxIndex}. */
  readonly index: number
}

/** Indexed: serials under this authority count. Revoked: nothing under it does, for good. */
export interface AuthorityEvent {
  readonly kind: 'authority_indexed' | 'authority_revoked'
  /** SHA-256 of the authority's SubjectPublicKeyInfo, 64 lower-case hexadecimal digits. */
  readonly authorityId: string
}

/** The ID of a grant and all below it are ended: whatever bears one is revoked. */
export interface PrefixEvent {
  readonly kind: 'prefix_closed'
  /** An ID that `taskOf` reads. It is never issued again. */
  readonly prefix: SpiffeId
  /** ⌊notAfter / 60 s⌋ of the latest that was issued at or below it: once that minute is below the floor, so is all that the prefix ends. */
  readonly minute: number
}

/** Whoever bears this ID was ended, and had credentials that have expired since: no bit is left to end connections that were made with those. It is of no concern to the set. */
export interface IdentityEvent {
  readonly kind: 'identity_ended'
  readonly id: SpiffeId
  /** Of the moment: it is said of credentials whose notAfter lies in this minute or an earlier one. */
  readonly minute: number
}

/** An event of a later version that a reader may pass over (type 128..255). It counts in the sequence and in the hash chain. */
export interface UnknownEvent {
  readonly kind: 'unknown'
  readonly type: number
}

export type Sha256 = (bytes: Uint8Array) => Uint8Array

const eventTypes = { superseded: 1, revoked: 2, authority_indexed: 3, authority_revoked: 4, prefix_closed: 5, identity_ended: 128 } as const
/** From here on a reader skips types that it does not know; below, it must refuse them. */
export const firstSkippableType = 128
/** Highest index within a (shard, minute): 2^22 - 1, so that the two bitmaps of a bucket fit into one megabyte. Issuing beyond it is refused. */
export const maxIndex = 0x3f_ffff
/** So many grant trees at most are ended by their prefix at a time; beyond, the issuer ends them by bits. */
export const maxClosedPrefixes = 1_000
/** Bound of one event's payload. */
const maxEventPayloadBytes = 4_096
export const hashBytes = 32
const maxIdBytes = 2_048
const ascii = new TextEncoder()
const latin = new TextDecoder('latin1')

/** h_0 of the chain: 32 zero bytes. */
export const emptyChainHash: Uint8Array = new Uint8Array(hashBytes)

/** @throws {MayflyError} INVALID_ARGUMENT when a field is out of its range */
export function encodeEvent(event: RevocationEvent): Uint8Array {
  const writer = new ByteWriter()
  writer.u8(eventTypes[event.kind])
  if ('shard' in event) {
    if (!isSerialPlace(event.shard, event.minute, event.index)) throw new MayflyError('INVALID_ARGUMENT', 'a revocation event has a field out of its range')
    writer.u16(9)
    writer.u8(event.shard)
    writer.u32(event.minute)
    writer.u32(event.index)
  } else if (event.kind === 'prefix_closed') {
    if (!isMinute(event.minute) || taskOf(event.prefix) === undefined) throw new MayflyError('INVALID_ARGUMENT', 'a closed prefix is not the ID of a grant, or its minute is out of range')
    writer.u16(4 + event.prefix.length)
    writer.u32(event.minute)
    writer.bytes(ascii.encode(event.prefix))
  } else if (event.kind === 'identity_ended') {
    if (!isMinute(event.minute) || event.id.length > maxIdBytes) throw new MayflyError('INVALID_ARGUMENT', 'an identity that has ended is too long, or its minute is out of range')
    writer.u16(4 + event.id.length)
    writer.u32(event.minute)
    writer.bytes(ascii.encode(event.id))
  } else {
    const id = fromHex(event.authorityId)
    if (id?.length !== hashBytes) throw new MayflyError('INVALID_ARGUMENT', 'the id of an authority is not 32 bytes')
    writer.u16(hashBytes)
    writer.bytes(id)
  }
  return writer.finish()
}

/** Exactly one event. `undefined` when it is malformed or of an unknown type that may not be skipped. */
export function decodeEvent(bytes: Uint8Array): RevocationEvent | UnknownEvent | undefined {
  const reader = new ByteReader(bytes)
  const event = readEvent(reader)
  return reader.ok && reader.atEnd ? event : undefined
}

/** Reads one event and leaves the reader after it. `undefined` as {@link decodeEvent}. */
export function readEvent(reader: ByteReader): RevocationEvent | UnknownEvent | undefined {
  const type = reader.u8()
  const length = reader.u16()
  if (!reader.ok || length > maxEventPayloadBytes) return undefined
  const payload = reader.bytes(length)
  if (!reader.ok) return undefined
  switch (type) {
    case eventTypes.superseded:
      return serialEvent('superseded', payload)
    case eventTypes.revoked:
      return serialEvent('revoked', payload)
    case eventTypes.authority_indexed:
      return authorityEvent('authority_indexed', payload)
    case eventTypes.authority_revoked:
      return authorityEvent('authority_revoked', payload)
    case eventTypes.prefix_closed:
      return prefixEvent(payload)
    case eventTypes.identity_ended:
      return identityEvent(payload)
    default:
      return type >= firstSkippableType ? { kind: 'unknown', type } : undefined
  }
}

/** Whether an event ends credentials whose connections are to be cut; a superseded one's stay. */
export function isEnding(event: RevocationEvent | UnknownEvent): event is RevocationEvent {
  return event.kind === 'revoked' || event.kind === 'authority_revoked' || event.kind === 'prefix_closed' || event.kind === 'identity_ended'
}

/** h_n = SHA-256(h_{n-1} | bytes of event n), so that the chain does not depend on how batches are cut. */
export function chainHash(previous: Uint8Array, event: Uint8Array, sha256: Sha256): Uint8Array {
  const joined = new Uint8Array(previous.length + event.length)
  joined.set(previous)
  joined.set(event, previous.length)
  return sha256(joined)
}

/** Whether (shard, minute, index) has a place in the set. */
function isSerialPlace(shard: number, minute: number, index: number): boolean {
  return isInteger(shard, 1, 127) && isMinute(minute) && isInteger(index, 0, maxIndex)
}

function serialEvent(kind: SerialEvent['kind'], payload: Uint8Array): SerialEvent | undefined {
  if (payload.length !== 9) return undefined
  const reader = new ByteReader(payload)
  const event: SerialEvent = { kind, shard: reader.u8(), minute: reader.u32(), index: reader.u32() }
  return isSerialPlace(event.shard, event.minute, event.index) ? event : undefined
}

function authorityEvent(kind: AuthorityEvent['kind'], payload: Uint8Array): AuthorityEvent | undefined {
  return payload.length === hashBytes ? { kind, authorityId: toHex(payload) } : undefined
}

function prefixEvent(payload: Uint8Array): PrefixEvent | undefined {
  const reader = new ByteReader(payload)
  const minute = reader.u32()
  const prefix = readGrantId(reader, payload.length - 4)
  return prefix === undefined ? undefined : { kind: 'prefix_closed', prefix, minute }
}

function identityEvent(payload: Uint8Array): IdentityEvent | undefined {
  const reader = new ByteReader(payload)
  const minute = reader.u32()
  const id = readId(reader, payload.length - 4)
  return id === undefined ? undefined : { kind: 'identity_ended', id, minute }
}

/** A SPIFFE ID of a grant in so many bytes after what it begins with; `undefined` when they are none. */
export function readGrantId(reader: ByteReader, length: number, beginning = ''): SpiffeId | undefined {
  const id = readId(reader, length, beginning)
  return id !== undefined && taskOf(id) !== undefined ? id : undefined
}

function readId(reader: ByteReader, length: number, beginning = ''): SpiffeId | undefined {
  if (length < 0) return undefined
  const text = beginning + latin.decode(reader.bytes(Math.min(length, maxIdBytes + 1))) // bytes beyond ASCII give characters that no SPIFFE ID has
  return reader.ok && isSpiffeId(text) ? text : undefined
}

function isMinute(minute: number): boolean {
  return isInteger(minute, 0, 0xffff_ffff)
}

function isInteger(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
