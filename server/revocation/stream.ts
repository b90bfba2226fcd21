import { MayflyError } from '../../src/core/errors.ts'
import type { ChainFacts, CheckOutcome } from '../../src/core/revocation/check.ts'
import { emptyChainHash, isEnding, type RevocationEvent } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { Freshness } from '../../src/core/revocation/freshness.ts'
import { floorMinuteAt } from '../../src/core/revocation/set.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RevokedChange, StreamFrame } from '../../src/verify/reader.ts'
import type { RevocationSource } from '../../src/verify/live-connections.ts'
import type { Commit, Store, StreamEvent } from '../store/port.ts'
import { batchFrames, heartbeatFrame, introductionFrame, timeFrame, type StreamState } from './frames.ts'
import { Heartbeat } from './heartbeat.ts'
import { StreamHistory } from './history.ts'
import { RootHistory } from './roots.ts'
import { Snapshots } from './snapshots.ts'
import { nextKey, type StreamSigner, type StreamSigningKey } from './stream-signer.ts'
import { Subscriber, type SharedFrame } from './subscriber.ts'

export interface RevocationStreamDeps {
  readonly store: Pick<Store, 'stream' | 'journal' | 'domain'>
  readonly signer: StreamSigner
  readonly clock: Clock
  readonly logger: Logger
}

const coalesceMs = 50
const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }
/** A wall clock that runs ahead of the boot clock by more than this does not move the floor: no bucket is dropped for a jump. */
const floorLeadMs = 300_000

/**
 * Signs and spreads the revocation stream. It follows what the store has made durable, keeps the set, answers the server's own checks from it, and
 * sends each subscriber batches as they come and a heartbeat a second. It is silent while it has no certified key or cannot read the durable head.
 */
export class RevocationStream implements RevocationSource, AsyncDisposable {
  readonly #deps: RevocationStreamDeps
  readonly #history: StreamHistory
  readonly #roots = new RootHistory()
  readonly #snapshots: Snapshots
  readonly #stop = new AbortController()
  readonly #subscribers = new Set<Subscriber>()
  readonly #listeners = new Set<(change: RevokedChange) => void>()
  readonly #subscriptions: Disposable[] = []
  readonly #started: { readonly nowMs: number; readonly bootMs: number }
  readonly #heartbeat: Heartbeat
  #running: Promise<void> = Promise.resolve()
  #pending: StreamEvent[] = []
  /** Chain hash before the first that is pending. */
  #flushedHash: Uint8Array
  #flushedBootMs = Number.NEGATIVE_INFINITY
  #flushing: Promise<void> | undefined
  #beat: { readonly frame: SharedFrame; readonly seq: number } | undefined

  private constructor(deps: RevocationStreamDeps, history: StreamHistory) {
    this.#deps = deps
    this.#history = history
    this.#snapshots = new Snapshots(deps)
    this.#flushedHash = history.head.chainHash
    this.#heartbeat = new Heartbeat(async () => this.#beatOnce(), { ...deps, signal: this.#stop.signal })
    this.#started = { nowMs: deps.clock.nowMs(), bootMs: deps.clock.bootMs() }
  }

  /** Loads the set from the store; commits that come meanwhile are not lost. Does not wait for the signer. */
  static async start(deps: RevocationStreamDeps): Promise<RevocationStream> {
    const early: StreamEvent[] = []
    let listener = (commit: Commit): void => void early.push(...commit.streamEvents)
    const subscription = deps.store.journal.onCommit((commit) => listener(commit))
    try {
      const floorMinute = floorMinuteAt(deps.clock.nowMs())
      const stream = new RevocationStream(deps, new StreamHistory(deps.store.domain.epoch, await deps.store.stream.load(floorMinute), floorMinute))
      listener = ({ streamEvents }) => stream.#follow(streamEvents)
      stream.#subscriptions.push(subscription, deps.signer.onNext((next, before) => stream.#introduce(next, before)))
      stream.#follow(early)
      stream.#running = stream.#heartbeat.run()
      return stream
    } catch (error) {
      subscription[Symbol.dispose]()
      throw error
    }
  }

  /** The server's own check: it knows what its store has made durable. */
  check(facts: ChainFacts): CheckOutcome {
    return this.#history.set.check(facts)
  }

  freshness(): Freshness {
    return { ageMs: 0, aheadMs: 0, behindMs: 0 }
  }

  /** Called as soon as a revocation is durable, before the call that asked for it returns. It must not throw. */
  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  get head(): StreamHead {
    return this.#history.head
  }

  /** The root of the set at a place of the stream and a floor, if it is the present one or was asked for of late. */
  rootAt(seq: number, floorMinute: number): Uint8Array | undefined {
    return this.#roots.at(seq, floorMinute, { seq: this.head.seq, set: this.#history.set })
  }

  get figures(): { readonly subscribers: number; readonly buckets: number; readonly bitmapBytes: number; readonly authorities: number; readonly prefixes: number } {
    return { subscribers: this.#subscribers.size, ...this.#history.set.figures() }
  }

  /**
   * What a subscriber at `position` is sent: events or a snapshot that bring it to the head, then batches and heartbeats. Ends when the signal aborts. A
   * subscriber that reads too slowly gets a snapshot in place of what it missed.
   */
  async *watch(position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> {
    const ended = AbortSignal.any([signal, this.#stop.signal])
    const subscriber = new Subscriber()
    try {
      for (const frame of await this.#catchUp(subscriber, position, ended)) yield subscriber.messageOf(frame)
      while (!ended.aborted) {
        await subscriber.wait(ended)
        if (subscriber.lagging) for (const frame of await this.#catchUp(subscriber, nowhere, ended)) yield subscriber.messageOf(frame)
        for (let frame = subscriber.take(); frame !== undefined && !ended.aborted; frame = subscriber.take()) yield subscriber.messageOf(frame)
      }
    } finally {
      this.#subscribers.delete(subscriber)
    }
  }

  /** This server's clock, signed for those who sent these nonces, with the certificate of the key. @throws {MayflyError} UNAVAILABLE while there is no certified key */
  time(nonces: readonly Uint8Array[]): StreamFrame {
    const key = this.#deps.signer.current
    if (key === undefined) throw new MayflyError('UNAVAILABLE', 'the revocation stream has no certified key yet')
    return { frame: timeFrame(this.#state, this.#deps.clock.nowMs(), nonces, key).bytes, signerChain: key.chain }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]()
    await Promise.all([this.#running, this.#flushing])
  }

  /** Takes durable events in, in order; those that were loaded already are passed over. */
  #follow(streamEvents: readonly StreamEvent[]): void {
    const revocations: RevocationEvent[] = []
    for (const streamEvent of streamEvents) {
      const event = this.#history.take(streamEvent)
      if (event === undefined) continue
      this.#pending.push(streamEvent)
      if (isEnding(event)) revocations.push(event)
    }
    if (revocations.length > 0) for (const listener of this.#listeners) listener({ kind: 'revoked', events: revocations })
    if (revocations.some(({ kind }) => kind === 'authority_revoked')) {
      this.#flush()
      this.#deps.signer.replace(false)
    } else if (this.#pending.length > 0) this.#flushSoon()
  }

  /** At once when idle; within {@link coalesceMs} of the flush before when not. */
  #flushSoon(): void {
    if (this.#flushing !== undefined) return
    const waitMs = this.#flushedBootMs + coalesceMs - this.#deps.clock.bootMs()
    if (waitMs <= 0) {
      this.#flush()
      return
    }
    this.#flushing = this.#deps.clock
      .sleep(waitMs, this.#stop.signal)
      .then(
        () => this.#flush(),
        () => undefined, // only aborts
      )
      .finally(() => (this.#flushing = undefined))
  }

  /** Sends what is pending. Without a key nothing can be said: each subscriber will need a snapshot. */
  #flush(): void {
    if (this.#pending.length === 0) return
    const events = this.#pending
    const before = this.#flushedHash
    this.#pending = []
    this.#flushedHash = this.#history.head.chainHash
    this.#flushedBootMs = this.#deps.clock.bootMs()
    const key = this.#deps.signer.current
    if (key === undefined) {
      for (const subscriber of this.#subscribers) subscriber.lag()
      return
    }
    for (const frame of batchFrames(this.#state, before, events, this.#deps.clock.nowMs(), key)) this.#send(frame)
  }

  #send(frame: SharedFrame): void {
    for (const subscriber of this.#subscribers) subscriber.push(frame)
  }

  get #state(): StreamState {
    return { head: this.head, set: this.#history.set }
  }

  /** The time is taken first and the durable head read after: whatever was committed before that time is in the state that is signed. */
  async #beatOnce(): Promise<void> {
    const signedAtMs = this.#deps.clock.nowMs()
    const durable = await this.#deps.store.stream.head()
    if (this.#stop.signal.aborted) return
    this.#history.checkAgainst(durable)
    this.#history.set.dropBelow(floorMinuteAt(this.#streamNowMs()))
    this.#flush()
    const key = this.#deps.signer.current
    if (key === undefined) return
    const { seq } = this.head
    const root = this.rootAt(seq, this.#history.set.floorMinute)
    if (root === undefined) return // never: it is the present place
    const frame = heartbeatFrame(this.#state, root, signedAtMs, key)
    this.#beat = { frame, seq }
    this.#heartbeat.sent()
    this.#send(frame)
  }

  #streamNowMs(): number {
    const { clock } = this.#deps
    return Math.min(clock.nowMs(), this.#started.nowMs + (clock.bootMs() - this.#started.bootMs) + floorLeadMs)
  }

  #introduce(next: StreamSigningKey, before: StreamSigningKey | undefined): void {
    if (before === undefined) return
    this.#flush()
    this.#send(introductionFrame(this.#state, this.#deps.clock.nowMs(), next, before))
  }

  /**
   * Frames from `position` to the present head; with a snapshot first when that is unknown here or too far behind. Waits for a key. When it returns, the subscriber
   * is registered and is pushed exactly what follows those frames.
   */
  async #catchUp(subscriber: Subscriber, position: StreamHead, signal: AbortSignal): Promise<readonly SharedFrame[]> {
    const older = await this.#history.olderThanRing(position, this.#deps.store.stream, this.#deps.logger)
    for (;;) {
      const key = await nextKey(this.#deps.signer, signal)
      if (key === undefined) return []
      // From here on nothing is awaited unless it all begins anew: no event can fall between the frames and the queue.
      this.#flush()
      const frames = this.#framesFrom(position, older, key)
      if (frames === undefined) {
        await this.#snapshots.made(this.#state, key)
        continue
      }
      subscriber.reset()
      this.#subscribers.add(subscriber)
      if (this.#beat?.seq === this.head.seq && this.#beat.frame.key === key && this.#heartbeat.isRecent) frames.push(this.#beat.frame)
      else this.#heartbeat.soon()
      return frames
    }
  }

  /** Those from `position` to the present head; `undefined` when a snapshot must be made first. */
  #framesFrom(position: StreamHead, older: readonly StreamEvent[], key: StreamSigningKey): SharedFrame[] | undefined {
    const nowMs = this.#deps.clock.nowMs()
    const from = older.at(-1) ?? position
    const newer = this.#history.newerThan(position.epoch, from.seq, from.chainHash)
    if (newer !== undefined) return batchFrames(this.#state, position.chainHash, [...older, ...newer], nowMs, key)
    const snapshot = this.#snapshots.serving(this.#state, key)
    const since = snapshot === undefined ? undefined : this.#history.newerThan(snapshot.head.epoch, snapshot.head.seq, snapshot.head.chainHash)
    if (snapshot === undefined || since === undefined) return undefined
    return [...snapshot.frames, ...batchFrames(this.#state, snapshot.head.chainHash, since, nowMs, key)]
  }
}
