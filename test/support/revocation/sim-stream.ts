import { createHash } from 'node:crypto'
import { chainHash, decodeEvent, emptyChainHash, encodeEvent, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { StreamFollower, type StreamHead } from '../../../src/core/revocation/follower.ts'
import { sealFrame, type Frame, type FrameHead } from '../../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { splitSnapshot } from '../../../src/core/revocation/snapshot.ts'

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

/** A signature that anyone can make and check: 64 bytes of two hashes. */
export function toySign(bytes: Uint8Array): Uint8Array {
  const half = sha256(bytes)
  return Uint8Array.from([...half, ...sha256(half)])
}

export const toyKeyId: Uint8Array = new Uint8Array(32).fill(7)

export function toyVerify(keyId: Uint8Array, signed: Uint8Array, signature: Uint8Array): 'good' | 'bad' | 'unknown_key' {
  if (!Buffer.from(keyId).equals(Buffer.from(toyKeyId))) return 'unknown_key'
  return Buffer.from(toySign(signed)).equals(Buffer.from(signature)) ? 'good' : 'bad'
}

export function toyFollower(highest?: StreamHead): StreamFollower {
  return new StreamFollower({ sha256, verify: toyVerify }, highest)
}

/** A signer reduced to its arithmetic: a list of events, cut and signed as a test asks. */
export class SimStream {
  readonly epoch: number
  readonly events: Uint8Array[] = []
  readonly hashes: Uint8Array[] = [emptyChainHash]
  floorMinute = 0

  constructor(epoch = 1) {
    this.epoch = epoch
  }

  append(event: RevocationEvent): number {
    return this.appendBytes(encodeEvent(event))
  }

  appendBytes(event: Uint8Array): number {
    this.events.push(event)
    this.hashes.push(chainHash(this.hashAt(this.events.length - 1), event, sha256))
    return this.events.length
  }

  hashAt(seq: number): Uint8Array {
    const hash = this.hashes[seq]
    if (hash === undefined) throw new Error(`no event ${seq}`)
    return hash
  }

  headAt(seq: number): StreamHead {
    return { epoch: this.epoch, seq, chainHash: this.hashAt(seq) }
  }

  /** The set after `seq` events, from nothing. */
  setAt(seq: number): RevocationSet {
    const set = new RevocationSet()
    set.dropBelow(this.floorMinute)
    for (const bytes of this.events.slice(0, seq)) {
      const event = decodeEvent(bytes)
      if (event !== undefined) set.apply(event)
    }
    return set
  }

  /** Events `from`..`to`, both included. */
  batch(from: number, to: number, signedAtMs: number, complete = false): Uint8Array {
    return this.seal({ ...this.#head(from, signedAtMs, complete), chainHash: this.hashAt(from - 1), kind: 'batch', events: this.events.slice(from - 1, to) })
  }

  heartbeat(seq: number, signedAtMs: number): Uint8Array {
    return this.seal({ ...this.#head(seq, signedAtMs, true), kind: 'heartbeat', root: this.setAt(seq).root(sha256) })
  }

  snapshot(seq: number, signedAtMs: number, maxBytes = 1_000_000): Uint8Array[] {
    const parts = splitSnapshot(this.setAt(seq).snapshot(), maxBytes)
    return parts.map((content, part) => this.seal({ ...this.#head(seq, signedAtMs, true), kind: 'snapshot', part, parts: parts.length, content }))
  }

  time(nonces: readonly Uint8Array[], signedAtMs: number): Uint8Array {
    return this.seal({ ...this.#head(this.events.length, signedAtMs, false), kind: 'time', nonces })
  }

  seal(frame: Frame): Uint8Array {
    return sealFrame(frame, toyKeyId, toySign)
  }

  #head(seq: number, signedAtMs: number, complete: boolean): FrameHead {
    return { epoch: this.epoch, seq, chainHash: this.hashes[seq] ?? emptyChainHash, signedAtMs, floorMinute: this.floorMinute, complete }
  }
}
