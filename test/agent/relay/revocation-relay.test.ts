import { beforeEach, describe, expect, test } from 'vitest'
import { RevocationRelay } from '../../../agent/relay/revocation-relay.ts'
import { nowhere } from '../../../agent/sync/wire.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { RevocationReader } from '../../../src/verify/reader.ts'
import type { StreamFrame } from '../../../src/verify/reader.ts'
import { settle, FakeClock } from '../../support/fake-clock.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { SignedSimStream } from '../../support/revocation/signed-sim-stream.ts'
import { authority, nowMs, trustDomain } from '../../support/verify/certificates.ts'

const ca = authority('root')
const anchors = BundleSet.of({ trustDomain, x509Authorities: [ca.der] }).authoritiesOf(trustDomain)

let clock: FakeClock
let stream: SignedSimStream
let relay: RevocationRelay
let snapshotsWanted: number

beforeEach(() => {
  clock = new FakeClock(nowMs)
  stream = new SignedSimStream(ca)
  snapshotsWanted = 0
  relay = new RevocationRelay({ maxReaders: 10, maxFrames: 4 }, { clock, log: new KeptLog(), anchors: () => anchors, askTime: async () => Promise.reject(new Error('nobody to ask')), wantSnapshot: () => void snapshotsWanted++ })
})

describe('a reader behind the relay', () => {
  test('who knows nothing gets the snapshot and all that came since', async () => {
    start()
    revoke()
    revoke()
    await using reader = new Follower(nowhere)
    await settle()
    expect(reader.position).toEqual(stream.head)
  })

  test('who was there before gets only what it missed', async () => {
    start()
    revoke()
    const position = stream.head
    revoke()
    await using reader = new Follower(position, stream)
    await settle()
    expect(reader.frames).toHaveLength(1)
  })

  test('who stands at the head gets nothing until something happens', async () => {
    start()
    await using reader = new Follower(stream.head, stream)
    await settle()
    expect(reader.frames).toHaveLength(0)
    revoke()
    await settle()
    expect(reader.frames).toHaveLength(1)
  })

  test('what is kept for readers holds nothing but itself: a socket gives views into 64 KiB, and thousands are kept', async () => {
    for (const frame of stream.snapshots()) relay.accept(within64KiB(frame))
    revokeQuietly()
    relay.accept(within64KiB(stream.batchOf(stream.events.length)))
    await using reader = new Follower(nowhere)
    await settle()
    expect(reader.frames.map(({ frame }) => frame.buffer.byteLength - frame.byteLength)).toEqual(reader.frames.map(() => 0))
    expect(reader.frames.length).toBeGreaterThanOrEqual(2)
  })

  test('who takes all that is there is never behind; who does not is, for as long as that lasts', async () => {
    start()
    await using _quick = new Follower(nowhere)
    await settle()
    await clock.advance(5_000)
    expect(relay.slowestReaderMs).toBe(0)
    const slow = relay.watch(nowhere, new AbortController().signal)
    await slow.next()
    await clock.advance(5_000)
    expect(relay.slowestReaderMs).toBe(5_000)
    await slow.return()
    expect(relay.slowestReaderMs).toBe(0)
  })

  test('what comes is passed on byte for byte, the signer’s certificate once', async () => {
    start()
    await using reader = new Follower(nowhere)
    await settle()
    revoke()
    revoke()
    await settle()
    expect(reader.frames.map(({ signerChain }) => signerChain.length)).toEqual([1, 0, 0])
    expect(reader.position).toEqual(stream.head)
  })

  test('a forged frame reaches nobody', async () => {
    start()
    await using reader = new Follower(nowhere)
    await settle()
    revokeQuietly()
    const bad = stream.batchOf(stream.events.length)
    bad.frame[bad.frame.length - 1] = (bad.frame.at(-1) ?? 0) ^ 1
    expect(relay.accept(bad).kind).toBe('forged')
    await settle()
    expect(reader.frames).toHaveLength(1)
  })

  test('when more was missed than is kept, the relay asks for a new snapshot, and keeps serving', async () => {
    start()
    for (let count = 0; count < 6; count++) revoke()
    expect(snapshotsWanted).toBeGreaterThan(0)
    for (const frame of stream.snapshots()) relay.accept(frame)
    await using reader = new Follower(nowhere)
    await settle()
    expect(reader.position).toEqual(stream.head)
  })

  test('a gap in what the server sends makes the relay ask for a snapshot', () => {
    start()
    revokeQuietly()
    revokeQuietly()
    expect(relay.accept(stream.batchOf(stream.events.length)).kind).toBe('gap')
    expect(snapshotsWanted).toBe(1)
  })
})

/** As it comes from a socket. */
function within64KiB({ frame, ...rest }: StreamFrame): StreamFrame {
  const chunk = Buffer.alloc(65_536)
  chunk.set(frame, 100)
  return { ...rest, frame: chunk.subarray(100, 100 + frame.length) }
}

function start(): void {
  for (const frame of stream.snapshots()) expect(relay.accept(frame).kind).toBe('replaced')
}

function minute(): number {
  return Math.floor(nowMs / 60_000) + 10
}

function revokeQuietly(): void {
  stream.append({ kind: 'revoked', shard: 1, minute: minute(), index: stream.events.length })
}

function revoke(): void {
  revokeQuietly()
  expect(relay.accept(stream.batchOf(stream.events.length)).kind).toBe('applied')
}

/** A verifier behind the relay, verifying all by itself. */
class Follower implements AsyncDisposable {
  readonly frames: StreamFrame[] = []
  readonly #reader = new RevocationReader({ clock, anchors: () => anchors })
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(position: StreamHead, known?: SignedSimStream) {
    if (known !== undefined) for (const frame of known.snapshots()) this.#reader.accept(frame)
    this.#running = this.#run(position)
  }

  get position(): StreamHead {
    return this.#reader.position
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(position: StreamHead): Promise<void> {
    try {
      for await (const frame of relay.watch(position, this.#stop.signal)) {
        this.frames.push(frame)
        this.#reader.accept(frame)
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }
}
