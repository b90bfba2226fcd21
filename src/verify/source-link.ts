import { emptyChainHash } from '../core/revocation/codec.ts'
import { MayflyError } from '../core/errors.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import { decodeFrameBody, openFrame } from '../core/revocation/frame.ts'
import type { Freshness } from '../core/revocation/freshness.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import type { ReaderOutcome, StreamFrame } from './reader.ts'
import type { SignedReport } from './reporter.ts'

/** Somewhere that the stream can be read: an agent, or a relay. None is trusted: what it brings is signed, and how old it is can be told. */
export interface StreamSource {
  /** For the log. */
  readonly name: string
  /** Opens the stream from a position (all zero: from a snapshot); ends or throws when the connection does, and when the signal aborts. */
  readonly open: (position: StreamHead, signal: AbortSignal) => AsyncIterable<StreamFrame>
  /** Has the signer's clock told to this nonce, through whatever relays; UNIMPLEMENTED when they are older. */
  readonly time?: (nonce: Uint8Array, signal: AbortSignal) => Promise<StreamFrame>
  /** Takes a verifier's reports for the server, for as long as the connection lasts; yields why the last registration was refused, if it was. */
  readonly report?: (reports: AsyncIterable<SignedReport>, signal: AbortSignal) => AsyncIterable<string>
}

/** What a source does wrong; the last three may be nobody's fault. */
export type Fault = 'forged' | 'rollback' | 'stale_epoch' | 'withheld' | 'time' | 'circle' | 'gone' | 'silent' | 'behind'

export interface SourceLinkDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Takes a message in. */
  readonly accept: (message: StreamFrame) => ReaderOutcome
  readonly position: () => StreamHead
  readonly freshness: () => Freshness | undefined
  /** Of the newest complete frame that any source brought, as its signer told it. */
  readonly newest: { signedAtMs: number }
  /** Whether others may take this one's place, so that it is worth to find out how good it is. */
  readonly isJudged: boolean
  /** A message was taken in, or the connection is over. */
  readonly changed: () => void
}

const firstRetryMs = 100
const longestRetryMs = 5_000
/** Heartbeats come each second: a connection that brings nothing of use for this long is left. */
const silenceLimitMs = 5_000
const looksOfSilence = 5
/** To connect again costs a source that is only slow more than to go on would: with nobody else to read from, each time that one was left for its silence the next has twice as long, up to this. */
const mostPatience = 4
/** After so many looks that found something it has no more than at first. */
const calmLooks = 30
/** A source that leaves a reader with a gap again so soon after it was asked for a snapshot does not give what it has. */
const gapsWithinMs = 10_000
const firstBlameMs = 60_000
const longestBlameMs = 600_000
const faultLifeMs = 30_000
const firstPauseMs = 1_000
const longestPauseMs = 10_000
export const nothing: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }

/** One source, and the connection to it while there is one. Keeps what is known of how good it is. */
export class SourceLink<S extends StreamSource = StreamSource> {
  readonly source: S
  readonly index: number
  readonly #deps: SourceLinkDeps
  #stop: AbortController | undefined
  #running: Promise<void> = Promise.resolve()
  #isConnected = false
  /** When the connection was lost, while there is none. */
  #lostBootMs: number | undefined
  #heardBootMs = Number.NEGATIVE_INFINITY
  #openedBootMs = Number.NEGATIVE_INFINITY
  #lag: { readonly ms: number; readonly bootMs: number } | undefined
  #timelyFrames = 0
  #gapBootMs = Number.NEGATIVE_INFINITY
  #blames = 0
  #patience = 1
  #caught: { readonly fault: Fault; readonly bootMs: number } | undefined
  #trials = 0
  /** What it was left for last. */
  leftFor: Fault | undefined
  /** Until then others are preferred to it. */
  restUntilBootMs: number = Number.NEGATIVE_INFINITY
  /** Until then it is not tried. */
  pauseUntilBootMs: number = Number.NEGATIVE_INFINITY

  constructor(source: S, index: number, deps: SourceLinkDeps) {
    this.source = source
    this.index = index
    this.#deps = deps
  }

  get isOpen(): boolean {
    return this.#stop !== undefined
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** For so long the connection has been lost; 0 while it stands, or while the first is being made. */
  get lostMs(): number {
    return this.#lostBootMs === undefined ? 0 : this.#deps.clock.bootMs() - this.#lostBootMs
  }

  get openedBootMs(): number {
    return this.#openedBootMs
  }

  /** Complete frames in time, since it was opened. */
  get timelyFrames(): number {
    return this.#timelyFrames
  }

  /** How old the newest complete frame is that this connection brought; infinite before the first. */
  get lagMs(): number {
    return this.#lag === undefined ? Number.POSITIVE_INFINITY : this.#lag.ms + this.#deps.clock.bootMs() - this.#lag.bootMs
  }

  /** What it was caught at of late, since it was opened. */
  get fault(): Fault | undefined {
    const caught = this.#caught
    return caught === undefined || this.#deps.clock.bootMs() - caught.bootMs > faultLifeMs ? undefined : caught.fault
  }

  /** Keeps a connection until {@link close}: the first from where the reader is. */
  open(): void {
    if (this.#stop !== undefined) return
    this.#stop = new AbortController()
    this.#openedBootMs = this.#deps.clock.bootMs()
    this.#heardBootMs = Number.NEGATIVE_INFINITY
    this.#lostBootMs = undefined
    this.#lag = undefined
    this.#timelyFrames = 0
    this.#gapBootMs = Number.NEGATIVE_INFINITY
    this.#caught = undefined
    this.#running = this.#run(this.#stop.signal)
  }

  async close(): Promise<void> {
    this.#stop?.abort()
    this.#stop = undefined
    await this.#running
  }

  /** Opens it a second time, from a snapshot, beside the connection there is, until the reader's state is confirmed. @throws {MayflyError} UNAVAILABLE and others */
  async fetchSnapshot(signal: AbortSignal): Promise<void> {
    for await (const message of this.source.open(nothing, signal)) if (this.#deps.accept(message).kind === 'confirmed') return
  }

  /** Notes a fault. */
  caught(fault: Fault): void {
    this.#caught = { fault, bootMs: this.#deps.clock.bootMs() }
    this.#deps.changed()
  }

  /** It was left for this: it rests, longer each time, when it can be blamed. */
  rest(fault: Fault): void {
    this.leftFor = fault
    const isBlamed = fault !== 'gone' && fault !== 'silent' && fault !== 'behind'
    if (isBlamed) this.restUntilBootMs = this.#deps.clock.bootMs() + Math.min(longestBlameMs, firstBlameMs * 2 ** this.#blames++)
  }

  /** It was tried, and was no better than the one there is. */
  pause(): void {
    this.pauseUntilBootMs = this.#deps.clock.bootMs() + Math.min(longestPauseMs, firstPauseMs * 2 ** this.#trials++)
  }

  /** It is the one that is read from. */
  taken(): void {
    this.#trials = 0
    this.restUntilBootMs = Number.NEGATIVE_INFINITY
  }

  /** Why it is not good enough, if nothing worse is known. */
  get weakness(): Fault {
    if (this.fault !== undefined) return this.fault
    if (!this.#isConnected) return 'gone'
    return this.#deps.clock.bootMs() - this.#heardBootMs > silenceLimitMs / looksOfSilence ? 'silent' : 'behind'
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { position, random, clock } = this.#deps
    let retryMs = firstRetryMs
    let from = position()
    while (!signal.aborted) {
      const end = await this.#follow(from, signal)
      from = end.needsSnapshot ? nothing : position()
      retryMs = end.received ? firstRetryMs : Math.min(retryMs * 2, longestRetryMs)
      const jitter = 0.5 + (random.bytes(1)[0] ?? 0) / 255
      this.#deps.changed()
      await clock.sleep(retryMs * jitter, signal).catch(() => undefined) // only aborts
    }
  }

  /** One connection, to its end. */
  async #follow(position: StreamHead, signal: AbortSignal): Promise<{ readonly received: boolean; readonly needsSnapshot: boolean }> {
    const { accept, clock, logger, changed } = this.#deps
    const connection = new AbortController()
    const both = AbortSignal.any([signal, connection.signal])
    let heardBootMs = clock.bootMs()
    let received = false
    const watchdog = this.#watch(() => heardBootMs, connection, both)
    try {
      for await (const message of this.source.open(position, both)) {
        this.#isConnected = true
        this.#lostBootMs = undefined
        const outcome = accept(message)
        if (outcome.kind !== 'forged' && outcome.kind !== 'signer_refused') heardBootMs = clock.bootMs()
        if (this.#deps.isJudged) this.#judge(outcome, message)
        changed()
        if (outcome.kind === 'gap') return { received, needsSnapshot: true }
        received ||= outcome.kind === 'replaced' || outcome.kind === 'confirmed' || outcome.kind === 'applied'
      }
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'RELAY_CIRCLE') this.caught('circle')
      if (!signal.aborted) logger.warn({ event: 'revocation.disconnected', source: this.source.name, error: String(error) }, 'the revocation stream broke off')
    } finally {
      this.#isConnected = false
      this.#lostBootMs ??= clock.bootMs()
      connection.abort()
      await watchdog
    }
    return { received, needsSnapshot: false }
  }

  async #watch(heardBootMs: () => number, connection: AbortController, signal: AbortSignal): Promise<void> {
    let heard = heardBootMs()
    let silentLooks = 0
    let calm = 0
    while (!signal.aborted) {
      await this.#deps.clock.sleep(silenceLimitMs / looksOfSilence, signal).catch(() => undefined) // only aborts
      // Counted in looks and not by the clock: a process that was held up for a while has its messages still to read.
      silentLooks = heardBootMs() === heard ? silentLooks + 1 : 0
      calm = silentLooks === 0 ? calm + 1 : 0
      heard = heardBootMs()
      if (calm >= calmLooks) this.#patience = 1
      if (silentLooks <= looksOfSilence * this.#patience || signal.aborted) continue
      if (!this.#deps.isJudged) this.#patience = Math.min(mostPatience, this.#patience * 2)
      connection.abort()
    }
  }

  #judge(outcome: ReaderOutcome, { frame }: StreamFrame): void {
    const bootMs = this.#deps.clock.bootMs()
    this.#heardBootMs = bootMs
    switch (outcome.kind) {
      case 'forged':
      case 'signer_refused':
        return this.caught('forged')
      case 'rollback':
      case 'stale_epoch':
        return this.caught(outcome.kind)
      case 'gap':
        if (bootMs - this.#gapBootMs < gapsWithinMs) this.caught('withheld')
        this.#gapBootMs = bootMs
        return
      case 'confirmed':
      case 'applied':
      case 'replaced':
        return this.#timely(frame, bootMs)
      case 'partial':
      case 'introduced':
      case 'timed':
      case 'duplicate':
        return
      default:
        outcome satisfies never
    }
  }

  /** How old it was when it came: one that another brought before is as old as that, an older one older. */
  #timely(bytes: Uint8Array, bootMs: number): void {
    const { newest, freshness } = this.#deps
    const opened = openFrame(bytes)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    const ageMs = freshness()?.ageMs
    if (frame === undefined || !frame.complete || ageMs === undefined) return
    const lagMs = ageMs + Math.max(0, newest.signedAtMs - frame.signedAtMs)
    newest.signedAtMs = Math.max(newest.signedAtMs, frame.signedAtMs)
    if (lagMs < this.lagMs) this.#lag = { ms: lagMs, bootMs }
    if (lagMs <= timelyMs) this.#timelyFrames++
  }
}

/** Heartbeats come each second: what is older than this came late, or its successor was withheld. */
export const timelyMs = 2_000
