import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { sealFrame, type Frame, type FrameHead } from '../../src/core/revocation/frame.ts'
import type { RevocationSet } from '../../src/core/revocation/set.ts'
import { splitSnapshot, type SnapshotPart } from '../../src/core/revocation/snapshot.ts'
import type { StreamEvent } from '../store/port.ts'
import type { StreamSigningKey } from './stream-signer.ts'
import type { SharedFrame } from './subscriber.ts'

/** The state that frames speak of, at one moment. */
export interface StreamState {
  readonly head: StreamHead
  readonly set: RevocationSet
}

const maxBatchEvents = 4_096
const snapshotPartBytes = 1_000_000

/** Events one after another without a gap, in as many batches as they need. @param before chain hash before the first */
export function batchFrames(state: StreamState, before: Uint8Array, events: readonly StreamEvent[], signedAtMs: number, key: StreamSigningKey): SharedFrame[] {
  const frames: SharedFrame[] = []
  let chainHash = before
  for (let at = 0; at < events.length; at += maxBatchEvents) {
    const cut = events.slice(at, at + maxBatchEvents)
    const seq = cut[0]?.seq ?? 0
    frames.push(seal({ ...headOf(state, signedAtMs, false), kind: 'batch', seq, chainHash, events: cut.map(({ event }) => event) }, key))
    chainHash = cut.at(-1)?.chainHash ?? chainHash
  }
  return frames
}

/** @param root of the state's set; @param signedAtMs taken before the durable head was read, which the state includes */
export function heartbeatFrame(state: StreamState, root: Uint8Array, signedAtMs: number, key: StreamSigningKey): SharedFrame {
  return seal({ ...headOf(state, signedAtMs, true), kind: 'heartbeat', root }, key)
}

/** A copy of the set, in parts that fit into a frame each. */
export function splitState({ set }: StreamState): readonly SnapshotPart[] {
  return splitSnapshot(set.snapshot(), snapshotPartBytes)
}

/** @param at the place and the floor that the parts are of */
export function snapshotFrame(at: { readonly head: StreamHead; readonly floorMinute: number }, signedAtMs: number, part: { readonly part: number; readonly parts: number; readonly content: SnapshotPart }, key: StreamSigningKey): SharedFrame {
  return seal({ ...at.head, floorMinute: at.floorMinute, signedAtMs, complete: false, kind: 'snapshot', ...part }, key)
}

/** The present key vouches for the next one. */
export function introductionFrame(state: StreamState, signedAtMs: number, next: StreamSigningKey, key: StreamSigningKey): SharedFrame {
  return seal({ ...headOf(state, signedAtMs, false), kind: 'introduction', chain: next.chain }, key)
}

/** The signer's clock, for those who sent these nonces. @param signedAtMs taken after they came */
export function timeFrame(state: StreamState, signedAtMs: number, nonces: readonly Uint8Array[], key: StreamSigningKey): SharedFrame {
  return seal({ ...headOf(state, signedAtMs, false), kind: 'time', nonces }, key)
}

function headOf({ head, set }: StreamState, signedAtMs: number, complete: boolean): FrameHead {
  return { ...head, signedAtMs, floorMinute: set.floorMinute, complete }
}

function seal(frame: Frame, key: StreamSigningKey): SharedFrame {
  return { bytes: sealFrame(frame, key.keyId, (bytes) => key.sign(bytes)), key }
}
