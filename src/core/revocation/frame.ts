import { concatBytes } from '../bytes.ts'
import { MayflyError } from '../errors.ts'
import { ByteReader, ByteWriter } from './byte-stream.ts'
import { hashBytes, readEvent, type RevocationEvent, type UnknownEvent } from './codec.ts'
import { readSections, writeSections, type SnapshotPart } from './snapshot.ts'

/** What every frame says of the stream at the moment of its signature. */
export interface FrameHead {
  readonly epoch: number
  /** Batch: of its first event. All others: of the newest event that the signer's durable head had. */
  readonly seq: number
  /** Batch: chain hash before its first event. All others: chain hash of `seq`. 32 bytes. */
  readonly chainHash: Uint8Array
  /** Wall clock of the signer in ms, taken before it read the durable head. */
  readonly signedAtMs: number
  /** Buckets of an earlier minute are gone. */
  readonly floorMinute: number
  /** Whether the frame brings its reader to the head that was read after `signedAtMs`; only such a frame makes a reader fresh. */
  readonly complete: boolean
}

export interface BatchFrame extends FrameHead {
  readonly kind: 'batch'
  /** Each event's bytes, as {@link codec.encodeEvent} gives them; at least one. */
  readonly events: readonly Uint8Array[]
}

export interface HeartbeatFrame extends FrameHead {
  readonly kind: 'heartbeat'
  /** Of the whole set at `seq`, see `RevocationSet.root`. 32 bytes. */
  readonly root: Uint8Array
}

/** One part of the whole set at `seq`; all parts share their head. */
export interface SnapshotFrame extends FrameHead {
  readonly kind: 'snapshot'
  /** From 0. */
  readonly part: number
  readonly parts: number
  readonly content: SnapshotPart
}

/** The present key vouches for the next one before that signs anything. */
export interface IntroductionFrame extends FrameHead {
  readonly kind: 'introduction'
  /** DER, leaf first; 1..8 certificates. */
  readonly chain: readonly Uint8Array[]
}

/** The signer's wall clock, for those who sent these nonces. It says nothing of the set. */
export interface TimeFrame extends FrameHead {
  readonly kind: 'time'
  /** {@link nonceBytes} each, 1 to {@link maxNonces}. */
  readonly nonces: readonly Uint8Array[]
}

export type Frame = BatchFrame | HeartbeatFrame | SnapshotFrame | IntroductionFrame | TimeFrame
/** A batch whose events were read. */
export type DecodedFrame = (BatchFrame & { readonly decoded: readonly (RevocationEvent | UnknownEvent)[] }) | HeartbeatFrame | SnapshotFrame | IntroductionFrame | TimeFrame

/** A frame split into what was signed and by whom. Nothing is verified. */
export interface OpenedFrame {
  readonly body: Uint8Array
  /** SHA-256 of the signer's SubjectPublicKeyInfo. */
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

const frameKinds = { batch: 1, heartbeat: 2, snapshot: 3, introduction: 4, time: 5 } as const
const frameVersion = 1
export const maxFrameBytes = 2_097_152
const maxSnapshotParts = 256
export const nonceBytes = 16
export const maxNonces = 64
const maxBatchEvents = 65_535
const maxIntroducedCertificates = 8
/** Of an Ed25519 signature. */
export const signatureBytes = 64
const tailBytes = hashBytes + signatureBytes
/** 25 octets of ASCII and a zero. */
const context = new TextEncoder().encode('mayfly revocation frame 1\0')

/** The bytes that the signature is over: context, body, key id. */
export function signedBytes(body: Uint8Array, keyId: Uint8Array): Uint8Array {
  return concatBytes(context, body, keyId)
}

/** body | key id | Ed25519 signature. */
export function sealFrame(frame: Frame, keyId: Uint8Array, sign: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const body = encodeFrameBody(frame)
  return concatBytes(body, keyId, sign(signedBytes(body, keyId)))
}

/** `undefined` when the frame is too short or longer than {@link maxFrameBytes}. The parts are views. */
export function openFrame(bytes: Uint8Array): OpenedFrame | undefined {
  if (bytes.length <= tailBytes || bytes.length > maxFrameBytes) return undefined
  const end = bytes.length - tailBytes
  return { body: bytes.subarray(0, end), keyId: bytes.subarray(end, end + hashBytes), signature: bytes.subarray(end + hashBytes) }
}

/** @throws {MayflyError} LIMIT_EXCEEDED when the frame would be longer than its readers take */
export function encodeFrameBody(frame: Frame): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.u8(frameKinds[frame.kind])
  writer.u8(frameVersion)
  writer.u8(frame.complete ? 1 : 0)
  writer.u64(frame.epoch)
  writer.u64(frame.seq)
  writer.u64(frame.signedAtMs)
  writer.u32(frame.floorMinute)
  writer.bytes(frame.chainHash)
  switch (frame.kind) {
    case 'batch':
      if (frame.events.length > maxBatchEvents) throw new MayflyError('LIMIT_EXCEEDED', `a batch of more than ${maxBatchEvents} events`)
      writer.u16(frame.events.length)
      for (const event of frame.events) writer.bytes(event)
      break
    case 'heartbeat':
      writer.bytes(frame.root)
      break
    case 'snapshot':
      writer.u16(frame.part)
      writer.u16(frame.parts)
      writeSections(writer, frame.content)
      break
    case 'introduction':
      writer.u8(frame.chain.length)
      for (const certificate of frame.chain) {
        writer.u16(certificate.length)
        writer.bytes(certificate)
      }
      break
    case 'time':
      writer.u8(frame.nonces.length)
      for (const nonce of frame.nonces) writer.bytes(nonce)
      break
    default:
      return frame satisfies never
  }
  if (writer.length + tailBytes > maxFrameBytes) throw new MayflyError('LIMIT_EXCEEDED', `a frame of more than ${maxFrameBytes} bytes`)
  return writer.finish()
}

/** Strict: another version, an unknown kind, flag or event below 128, a value out of its range or a trailing byte give `undefined`. */
export function decodeFrameBody(body: Uint8Array): DecodedFrame | undefined {
  const reader = new ByteReader(body)
  const kind = reader.u8()
  const version = reader.u8()
  const flags = reader.u8()
  const head: FrameHead = {
    epoch: reader.u64(),
    seq: reader.u64(),
    signedAtMs: reader.u64(),
    floorMinute: reader.u32(),
    chainHash: reader.bytes(hashBytes),
    complete: flags === 1,
  }
  if (!reader.ok || version !== frameVersion || flags > 1) return undefined
  const frame = readRest(kind, head, reader)
  return reader.ok && reader.atEnd ? frame : undefined
}

function readRest(kind: number, head: FrameHead, reader: ByteReader): DecodedFrame | undefined {
  switch (kind) {
    case frameKinds.batch:
      return readBatch(head, reader)
    case frameKinds.heartbeat:
      return { ...head, kind: 'heartbeat', root: reader.bytes(hashBytes) }
    case frameKinds.snapshot: {
      const part = reader.u16()
      const parts = reader.u16()
      if (parts === 0 || parts > maxSnapshotParts || part >= parts) return undefined
      const content = readSections(reader)
      return content === undefined ? undefined : { ...head, kind: 'snapshot', part, parts, content }
    }
    case frameKinds.introduction: {
      const count = reader.u8()
      if (count === 0 || count > maxIntroducedCertificates) return undefined
      const chain = Array.from({ length: count }, () => reader.bytes(reader.u16()))
      return chain.some((certificate) => certificate.length === 0) ? undefined : { ...head, kind: 'introduction', chain }
    }
    case frameKinds.time: {
      const count = reader.u8()
      if (count === 0 || count > maxNonces) return undefined
      return { ...head, kind: 'time', nonces: Array.from({ length: count }, () => reader.bytes(nonceBytes)) }
    }
    default:
      return undefined
  }
}

function readBatch(head: FrameHead, reader: ByteReader): DecodedFrame | undefined {
  const count = reader.u16()
  if (count === 0 || head.seq === 0) return undefined
  const events: Uint8Array[] = []
  const decoded: (RevocationEvent | UnknownEvent)[] = []
  for (let at = 0; at < count; at++) {
    const start = reader.position
    const event = readEvent(reader)
    if (event === undefined) return undefined
    events.push(reader.since(start))
    decoded.push(event)
  }
  return { ...head, kind: 'batch', events, decoded }
}
