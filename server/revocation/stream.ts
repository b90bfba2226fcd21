import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { ChainFacts, CheckOutcome } from '../../src/core/revocation/check.ts'
import { decodeEvent, emptyChainHash, type RevocationEvent } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { Freshness } from '../../src/core/revocation/freshness.ts'
import { floorMinuteAt, RevocationSet } from '../../src/core/revocation/set.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RevokedChange, StreamFrame } from '../../src/verify/reader.ts'
import type { RevocationSource } from '../../src/verify/live-connections.ts'
import type { Commit, LoadedSet, Store, StreamEvent } from '../store/port.ts'
import { batchFrames, heartbeatFrame, introductionFrame, snapshotFrames, type StreamState } from './frames.ts'
import { StreamRing } from './ring.ts'
import type { StreamSigner, StreamSigningKey } from './stream-signer.ts'
import { Subscriber, type SharedFrame } from './subscriber.ts'

export interface RevocationStreamDeps {
  readonly store: Pick<Store, 'stream' | 'journal' | 'domain'>
  readonly signer: StreamSigner
  readonly clock: Clock
  readonly logger: Logger
}

const heartbeatMs = 1_000
const coalesceMs = 50
/** How far behind a subscriber may be for being caught up by events; beyond, a snapshot is shorter. */
const maxEventsFromStore = 20_000
const beatGapMs = 100
const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }
const origin: StreamEvent = { seq: 0, event: new Uint8Array(0), chainHash: emptyChainHash, atMs: 0 }
/** A wall clock that runs ahead of the boot clock by more than this does not move the floor: no bucket is dropped for a jump. */
const floorLeadMs = 300_000

/**
 * Signs and spreads the revocation stream. It follows what the store has made durable, keeps the set, answers the server's own checks from it, and
 * sends each subscriber batches as they come and a heartbeat a second. It is silent while it has no certified key or cannot read the durable head.
 */
export class RevocationStream implements RevocationSource, AsyncDisposable {
  readonly #deps: RevocationStreamDeps
  readonly #set: RevocationSet
  readonly #ring: StreamRing
  readonly #stop = new AbortController()
  readonly #subscribers = new Set<Subscriber>()
  readonly #listeners = new Set<(change: RevokedChange) => void>()
  readonly #subscriptions: Disposable[] = []
  readonly #started: { readonly nowMs: number; readonly bootMs: number }
  readonly #running: Promise<void>[] = []
  #pending: StreamEvent[] = []
  /** Chain hash before the first that is pending. */
  #flushedHash: Uint8Array
  #flushedBootMs = Number.NEGATIVE_INFINITY
  #flushing: Promise<void> | undefined
  #beating: Promise<void> | undefined
  #extraBeat: Promise<void> | undefined
  #heartbeat: { readonly frame: SharedFrame; readonly seq: number; readonly bootMs: number } | undefined
  #snapshot: { readonly frames: readonly SharedFrame[]; readonly seq: number; readonly floorMinute: number; readonly key: StreamSigningKey } | undefined

  private constructor(deps: RevocationStreamDeps, loaded: LoadedSet, floorMinute: number) {
    this.#deps = deps
    this.#set = setOf(loaded, floorMinute)
    this.#ring = new StreamRing(loaded)
    this.#flushedHash = loaded.chainHash
    this.#started = { nowMs: deps.clock.nowMs(), bootMs: deps.clock.bootMs() }
  }

  /** Loads the set from the store; commits that come meanwhile are not lost. Does not wait for the signer. */
  static async start(deps: RevocationStreamDeps): Promise<RevocationStream> {
    const early: StreamEvent[] = []
    let listener = (commit: Commit): void => void early.push(...commit.streamEvents)
    const subscription = deps.store.journal.onCommit((commit) => listener(commit))
    try {
      const floorMinute = floorMinuteAt(deps.clock.nowMs())
      const stream = new RevocationStream(deps, await deps.store.stream.load(floorMinute), floorMinute)
      listener = ({ streamEvents }) => stream.#follow(streamEvents)
      stream.#subscriptions.push(subscription, deps.signer.onNext((next, before) => stream.#introduce(next, before)))
      stream.#follow(early)
      stream.#running.push(stream.#beatEachSecond(stream.#stop.signal))
      return stream
    } catch (error) {
      subscription[Symbol.dispose]()
      throw error
    }
  }

  /** The server's own check: it knows what its store has made durable. */
  check(facts: ChainFacts): CheckOutcome {
    return this.#set.check(facts)
  }

  freshness(): Freshness {
    return { ageMs: 0, aheadMs: 0 }
  }

  /** Called as soon as a revocation is durable, before the call that asked for it returns. It must not throw. */
  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  get head(): StreamHead {
    return { epoch: this.#deps.store.domain.epoch, seq: this.#ring.seq, chainHash: this.#ring.chainHash }
  }

  get figures(): { readonly subscribers: number; readonly buckets: number; readonly bitmapBytes: number; readonly authorities: number } {
    return { subscribers: this.#subscribers.size, ...this.#set.figures() }
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]()
    await Promise.all([...this.#running, this.#flushing, this.#beating, this.#extraBeat])
  }

  /** Takes durable events in, in order; those that were loaded already are passed over. */
  #follow(streamEvents: readonly StreamEvent[]): void {
    const revocations: RevocationEvent[] = []
    for (const streamEvent of streamEvents) {
      if (streamEvent.seq <= this.#ring.seq) continue
      const event = decodeEvent(streamEvent.event)
      if (event === undefined || streamEvent.seq !== this.#ring.seq + 1) throw new MayflyError('STORE_CORRUPT', `event ${streamEvent.seq} of the revocation stream is malformed or out of order`)
      this.#ring.push(streamEvent)
      this.#pending.push(streamEvent)
      this.#set.apply(event)
      if (event.kind === 'revoked' || event.kind === 'authority_revoked') revocations.push(event)
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
    this.#flushedHash = this.#ring.chainHash
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
    return { head: this.head, set: this.#set }
  }

  async #beatEachSecond(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#beat()
      await this.#deps.clock.sleep(heartbeatMs, signal).catch(() => undefined) // only aborts
    }
  }

  /** One heartbeat at a time; whoever asks while one is under way waits for that. */
  async #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce()
      .catch((error: unknown) => this.#deps.logger.error({ event: 'revocation.silent', error: String(error) }, 'no heartbeat: the durable head of the revocation stream cannot be read or signed'))
      .finally(() => (this.#beating = undefined))
    await this.#beating
  }

  /** A heartbeat out of turn for a subscriber that just came, but never many in a row. */
  #beatSoon(): void {
    const waitMs = (this.#heartbeat?.bootMs ?? Number.NEGATIVE_INFINITY) + beatGapMs - this.#deps.clock.bootMs()
    if (waitMs <= 0) void this.#beat()
    else this.#extraBeat ??= this.#deps.clock.sleep(waitMs, this.#stop.signal).then(async () => this.#beat(), () => undefined).finally(() => (this.#extraBeat = undefined)) // only aborts
  }

  /** The time is taken first and the durable head read after: whatever was committed before that time is in the state that is signed. */
  async #beatOnce(): Promise<void> {
    const signedAtMs = this.#deps.clock.nowMs()
    const durable = await this.#deps.store.stream.head()
    if (this.#stop.signal.aborted) return
    const ours = this.#ring.hashAt(durable.seq)
    if (durable.seq > this.#ring.seq || (ours !== undefined && !equalBytes(ours, durable.chainHash))) {
      throw new MayflyError('STORE_CORRUPT', `the durable head of the revocation stream (${durable.seq}) is not the one that was followed (${this.#ring.seq})`)
    }
    this.#set.dropBelow(floorMinuteAt(this.#streamNowMs()))
    this.#flush()
    const key = this.#deps.signer.current
    if (key === undefined) return
    const frame = heartbeatFrame(this.#state, signedAtMs, key)
    this.#heartbeat = { frame, seq: this.#ring.seq, bootMs: this.#deps.clock.bootMs() }
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
   * Frames from `position` to the present head; a snapshot when that is unknown here or too far behind. Waits for a key. When it returns, the subscriber
   * is registered and is pushed exactly what follows those frames.
   */
  async #catchUp(subscriber: Subscriber, position: StreamHead, signal: AbortSignal): Promise<readonly SharedFrame[]> {
    const older = await this.#olderEvents(position)
    const key = await this.#key(signal)
    if (key === undefined) return []
    // From here to the end nothing is awaited: no event can fall between the frames and the queue.
    this.#flush()
    subscriber.reset()
    this.#subscribers.add(subscriber)
    const from = older.at(-1) ?? position
    const newer = position.epoch === this.head.epoch ? this.#ring.after(from.seq, from.chainHash) : 'unknown'
    const frames = typeof newer === 'string' ? [...this.#snapshotFrames(key)] : batchFrames(this.#state, position.chainHash, [...older, ...newer], this.#deps.clock.nowMs(), key)
    const last = this.#heartbeat
    if (last?.seq === this.#ring.seq && last.frame.key === key && this.#deps.clock.bootMs() - last.bootMs < heartbeatMs) frames.push(last.frame)
    else this.#beatSoon()
    return frames
  }

  /** Events after a position that the ring no longer reaches back to, from the store; none when it does, or when a snapshot is shorter or needed. */
  async #olderEvents({ epoch, seq, chainHash }: StreamHead): Promise<readonly StreamEvent[]> {
    const head = this.head
    if (epoch > head.epoch || (epoch === head.epoch && seq > head.seq)) {
      this.#deps.logger.error({ event: 'revocation.reader_ahead', epoch, seq, ownEpoch: head.epoch, ownSeq: head.seq }, 'a reader of the revocation stream claims to have seen more than this server has')
    }
    if (epoch !== head.epoch || head.seq - seq > maxEventsFromStore || this.#ring.after(seq, chainHash) !== 'too_old') return []
    const [at, ...events] = seq === 0 ? [origin, ...(await this.#deps.store.stream.eventsAfter(0, head.seq))] : await this.#deps.store.stream.eventsAfter(seq - 1, head.seq - seq + 1)
    return at !== undefined && at.seq === seq && equalBytes(at.chainHash, chainHash) ? events : []
  }

  async #key(signal: AbortSignal): Promise<StreamSigningKey | undefined> {
    while (!signal.aborted) {
      const key = this.#deps.signer.current
      if (key !== undefined) return key
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done)
          subscription[Symbol.dispose]()
          resolve()
        }
        // A key is announced before it is the current one: the loop looks again a turn later.
        const subscription = this.#deps.signer.onNext(() => queueMicrotask(done))
        signal.addEventListener('abort', done, { once: true })
      })
    }
    return undefined
  }

  /** Signed once for a state and shared by all who need it. */
  #snapshotFrames(key: StreamSigningKey): readonly SharedFrame[] {
    const known = this.#snapshot
    if (known?.seq === this.#ring.seq && known.floorMinute === this.#set.floorMinute && known.key === key) return known.frames
    const frames = snapshotFrames(this.#state, this.#deps.clock.nowMs(), key)
    this.#snapshot = { frames, seq: this.#ring.seq, floorMinute: this.#set.floorMinute, key }
    return frames
  }
}

function setOf(loaded: LoadedSet, floorMinute: number): RevocationSet {
  const set = new RevocationSet()
  set.dropBelow(floorMinute)
  for (const { id, revoked } of loaded.authorities) {
    set.apply({ kind: 'authority_indexed', authorityId: id })
    if (revoked) set.apply({ kind: 'authority_revoked', authorityId: id })
  }
  for (const { shard, minute, superseded, revoked } of loaded.buckets) {
    for (const index of superseded) set.apply({ kind: 'superseded', shard, minute, index })
    for (const index of revoked) set.apply({ kind: 'revoked', shard, minute, index })
  }
  return set
}
