import { equalBytes } from '../bytes.ts'
import { chainHash, emptyChainHash, type RevocationEvent, type Sha256, type UnknownEvent } from './codec.ts'
import { decodeFrameBody, openFrame, signedBytes, type BatchFrame, type DecodedFrame, type FrameHead, type HeartbeatFrame, type SnapshotFrame } from './frame.ts'
import { clockSkewLimitMs, type Freshness, type ReaderTime } from './freshness.ts'
import { RevocationSet } from './set.ts'
import { SignerClock } from './signer-clock.ts'
import { joinParts } from './snapshot.ts'

/** The highest point of the stream that a reader has accepted: what it keeps over restarts. */
export interface StreamHead {
  readonly epoch: number
  readonly seq: number
  /** 32 bytes. */
  readonly chainHash: Uint8Array
}

/** What became of a frame. Only `applied`, `replaced`, `confirmed` and `introduced` changed anything. */
export type FrameOutcome =
  /** A batch moved the set; `events` are those that were new to it. */
  | { readonly kind: 'applied'; readonly events: readonly (RevocationEvent | UnknownEvent)[] }
  /** A whole snapshot took the set's place: whoever keeps connections checks them all again. */
  | { readonly kind: 'replaced' }
  /** A heartbeat for exactly the state that the reader has. */
  | { readonly kind: 'confirmed' }
  /** A part of a snapshot; others are to come. */
  | { readonly kind: 'partial' }
  /** The signer names its next key. The chain is not verified here. */
  | { readonly kind: 'introduced'; readonly chain: readonly Uint8Array[] }
  /** The signer's clock was measured; see `freshness`. */
  | { readonly kind: 'timed' }
  /** Known already, or older than what is known, or an answer to another's nonce. */
  | { readonly kind: 'duplicate' }
  /** The reader needs a snapshot: it missed events, or its state is not the signer's. Until then it serves what it has and ages. */
  | { readonly kind: 'gap'; readonly why: 'no_state' | 'epoch' | 'seq' | 'hash' | 'root' }
  | { readonly kind: 'forged'; readonly why: 'malformed' | 'unknown_key' | 'signature' }
  | { readonly kind: 'stale_epoch' }
  /** Validly signed, and behind or beside what was accepted before: the signer lost its memory, or somebody replays an old one. Refused. */
  | { readonly kind: 'rollback'; readonly why: 'seq' | 'hash' | 'bits' }

export interface FollowerDeps {
  readonly sha256: Sha256
  /** Whether the key of this id, certified and live at `signedAtMs`, made the Ed25519 signature. */
  readonly verify: (keyId: Uint8Array, signed: Uint8Array, signature: Uint8Array, signedAtMs: number) => 'good' | 'bad' | 'unknown_key'
}

interface PendingSnapshot {
  readonly head: FrameHead
  readonly parts: (SnapshotFrame | undefined)[]
}

/**
 * A reader of the stream as a state machine: frames in, outcomes out. It keeps the set, its place and its freshness, and
 * refuses whatever is not signed, not next, or lower than the highest (epoch, seq) it has accepted.
 */
export class StreamFollower {
  readonly #deps: FollowerDeps
  #set = new RevocationSet()
  /** Of the set; unset until the first snapshot. */
  #position: StreamHead | undefined
  /** From before a restart, or the position. */
  #highest: StreamHead | undefined
  #pending: PendingSnapshot | undefined
  readonly #clock = new SignerClock()
  /** Of all frames that were accepted, complete or not. */
  #newestSignedMs = 0
  #fresh: { readonly signedAtMs: number; readonly receivedBootMs: number } | undefined

  /** @param highest what an earlier life of this reader accepted, if it kept it */
  constructor(deps: FollowerDeps, highest?: StreamHead) {
    this.#deps = deps
    this.#highest = highest
  }

  get set(): RevocationSet {
    return this.#set
  }

  /** Where to resume; all zero when a snapshot is needed. */
  get position(): StreamHead {
    return this.#position ?? { epoch: 0, seq: 0, chainHash: emptyChainHash }
  }

  /** To be kept over restarts. */
  get highest(): StreamHead | undefined {
    return this.#highest
  }

  receive(frame: Uint8Array, time: ReaderTime): FrameOutcome {
    const opened = openFrame(frame)
    const decoded = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (opened === undefined || decoded === undefined) return { kind: 'forged', why: 'malformed' }
    const verified = this.#deps.verify(opened.keyId, signedBytes(opened.body, opened.keyId), opened.signature, decoded.signedAtMs)
    if (verified !== 'good') return { kind: 'forged', why: verified === 'bad' ? 'signature' : 'unknown_key' }
    if (this.#highest !== undefined && decoded.epoch < this.#highest.epoch) return { kind: 'stale_epoch' }
    return this.#accept(decoded, time)
  }

  /** The signer's wall clock, as it was measured; unset when it was not of late. */
  signerNowMs(time: ReaderTime): number | undefined {
    return this.#clock.at(time)?.mostMs
  }

  /** A time request with this nonce is sent now; its answer goes to {@link receive}. */
  asksTime(nonce: Uint8Array, time: ReaderTime): void {
    this.#clock.asks(nonce, time.bootMs)
  }

  /**
   * Age of the state: the worse of the signer's wall clock, as it was measured (else this machine's), and of this machine's time since boot. Unset before the first
   * complete frame.
   */
  freshness(time: ReaderTime): Freshness | undefined {
    if (this.#fresh === undefined) return undefined
    const { signedAtMs, receivedBootMs } = this.#fresh
    const measured = this.#clock.at(time)
    const signerMs = measured?.mostMs ?? time.nowMs
    const skewMs = measured === undefined ? 0 : measured.leastMs > time.nowMs ? measured.leastMs - time.nowMs : Math.min(0, measured.mostMs - time.nowMs)
    return { ageMs: Math.max(0, signerMs - signedAtMs, time.bootMs - receivedBootMs), aheadMs: Math.max(0, signedAtMs - signerMs, skewMs), behindMs: Math.max(0, -skewMs), ...(this.#clock.isWithheld(time) ? { unmeasured: true as const } : {}) }
  }

  #accept(frame: DecodedFrame, time: ReaderTime): FrameOutcome {
    switch (frame.kind) {
      case 'batch':
        return this.#batch(frame, time)
      case 'heartbeat':
        return this.#heartbeat(frame, time)
      case 'snapshot':
        return this.#snapshot(frame, time)
      case 'introduction':
        return { kind: 'introduced', chain: frame.chain }
      case 'time':
        return this.#clock.answered(frame.nonces, frame.signedAtMs, time.bootMs) ? { kind: 'timed' } : { kind: 'duplicate' }
      default:
        return frame satisfies never
    }
  }

  #batch(frame: BatchFrame & { readonly decoded: readonly (RevocationEvent | UnknownEvent)[] }, time: ReaderTime): FrameOutcome {
    const place = this.#position
    if (place === undefined) return { kind: 'gap', why: 'no_state' }
    if (frame.epoch > place.epoch) return { kind: 'gap', why: 'epoch' }
    if (frame.seq > place.seq + 1) return { kind: 'gap', why: 'seq' }
    const last = frame.seq + frame.events.length - 1
    if (last < place.seq) return this.#older(frame)

    const hashes = [frame.chainHash]
    for (const event of frame.events) hashes.push(chainHash(hashes.at(-1) ?? frame.chainHash, event, this.#deps.sha256))
    const hashAt = (seq: number): Uint8Array | undefined => hashes[seq - frame.seq + 1]
    if (!isSame(hashAt(place.seq), place.chainHash)) return { kind: 'gap', why: 'hash' }
    const highest = this.#highest
    if (highest !== undefined && this.#isBehind && last >= highest.seq && !isSame(hashAt(highest.seq), highest.chainHash)) {
      this.#position = undefined
      return { kind: 'rollback', why: 'hash' }
    }

    const events = frame.decoded.slice(place.seq - frame.seq + 1)
    for (const event of events) this.#set.apply(event)
    this.#set.dropBelow(frame.floorMinute)
    this.#moveTo({ epoch: frame.epoch, seq: last, chainHash: (hashes.at(-1) ?? frame.chainHash).slice() })
    this.#refresh(frame, time)
    return events.length === 0 ? { kind: 'duplicate' } : { kind: 'applied', events }
  }

  #heartbeat(frame: HeartbeatFrame, time: ReaderTime): FrameOutcome {
    const place = this.#position
    if (place === undefined) return { kind: 'gap', why: 'no_state' }
    if (frame.epoch > place.epoch) return { kind: 'gap', why: 'epoch' }
    if (frame.seq > place.seq) return { kind: 'gap', why: 'seq' }
    if (frame.seq < place.seq) return this.#older(frame)
    if (!equalBytes(frame.chainHash, place.chainHash)) return { kind: 'gap', why: 'hash' }
    if (this.#isBehind) return { kind: 'rollback', why: 'seq' }
    this.#set.dropBelow(frame.floorMinute)
    // A signer whose clock was set back may name a floor below ours: its root is then over more buckets than we have.
    if (frame.floorMinute === this.#set.floorMinute && !equalBytes(frame.root, this.#set.root(this.#deps.sha256))) return { kind: 'gap', why: 'root' }
    this.#refresh(frame, time)
    return { kind: 'confirmed' }
  }

  #snapshot(frame: SnapshotFrame, time: ReaderTime): FrameOutcome {
    const highest = this.#highest
    if (highest !== undefined && frame.epoch === highest.epoch) {
      if (this.#position !== undefined && frame.seq < this.#position.seq) return this.#older(frame)
      if (frame.seq === highest.seq && !equalBytes(frame.chainHash, highest.chainHash)) return { kind: 'rollback', why: 'hash' }
    }
    const pending = this.#pendingFor(frame)
    pending.parts[frame.part] = frame
    const parts = pending.parts.filter((part) => part !== undefined)
    if (parts.length < frame.parts) return { kind: 'partial' }
    this.#pending = undefined

    const sameEpoch = this.#position?.epoch === frame.epoch
    const content = joinParts(frame.floorMinute, parts.map((part) => part.content))
    if (content === undefined) return { kind: 'forged', why: 'malformed' }
    const set = RevocationSet.fromSnapshot(content)
    if (sameEpoch) set.dropBelow(this.#set.floorMinute)
    if (sameEpoch && !set.includes(this.#set)) return { kind: 'rollback', why: 'bits' }
    this.#set = set
    this.#moveTo({ epoch: frame.epoch, seq: frame.seq, chainHash: frame.chainHash.slice() })
    this.#refresh(frame, time)
    return { kind: 'replaced' }
  }

  #pendingFor(frame: SnapshotFrame): PendingSnapshot {
    const pending = this.#pending
    if (pending !== undefined && pending.parts.length === frame.parts && isSameHead(pending.head, frame)) return pending
    this.#pending = { head: frame, parts: Array.from({ length: frame.parts }) }
    return this.#pending
  }

  /** A frame that ends before our place: late when it was signed before what we have, a rollback when its signer says later that the head is lower. */
  #older(frame: FrameHead): FrameOutcome {
    return frame.complete && frame.signedAtMs > this.#newestSignedMs ? { kind: 'rollback', why: 'seq' } : { kind: 'duplicate' }
  }

  #moveTo(place: StreamHead): void {
    this.#position = place
    if (!this.#isBehind) this.#highest = place
  }

  /** After a restart, a relay's snapshot may be older than what was seen before, and batches follow: until they reach that, nothing is fresh. */
  get #isBehind(): boolean {
    return this.#position !== undefined && this.#highest !== undefined && this.#position.epoch === this.#highest.epoch && this.#position.seq < this.#highest.seq
  }

  /** Only a frame signed later counts as newer, unless what we have claims to be from the future: its signer's clock was set right since. */
  #refresh(frame: FrameHead, time: ReaderTime): void {
    const signerMs = this.#clock.at(time)?.mostMs ?? time.nowMs
    this.#newestSignedMs = Math.max(this.#newestSignedMs, frame.signedAtMs)
    if (!frame.complete || this.#isBehind) return
    if (this.#fresh !== undefined && frame.signedAtMs <= this.#fresh.signedAtMs && this.#fresh.signedAtMs <= signerMs + clockSkewLimitMs) return
    this.#fresh = { signedAtMs: frame.signedAtMs, receivedBootMs: time.bootMs }
  }
}

function isSame(found: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return found !== undefined && equalBytes(found, wanted)
}

function isSameHead(left: FrameHead, right: FrameHead): boolean {
  return left.epoch === right.epoch && left.seq === right.seq && left.signedAtMs === right.signedAtMs && left.floorMinute === right.floorMinute && equalBytes(left.chainHash, right.chainHash)
}
