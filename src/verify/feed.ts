import type { ChainFacts, CheckOutcome } from '../core/revocation/check.ts'
import { emptyChainHash } from '../core/revocation/codec.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import { nonceBytes } from '../core/revocation/frame.ts'
import { skewOf, type Freshness, type StalenessClass } from '../core/revocation/freshness.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import type { BundleSet } from './bundle-set.ts'
import { HeadKeeper, type HeadStore } from './heads.ts'
import { VerifierReporter, type VerifierReporterConfig, type VerifierReporterDeps } from './reporter.ts'
import { RevocationReader, type ReaderOutcome, type RevokedChange, type StreamFrame } from './reader.ts'
import type { RevocationChecker } from './verify-svid.ts'

export interface RevocationFeedConfig {
  readonly trustDomain: TrustDomain
}

export interface RevocationFeedDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The present bundles. */
  readonly bundles: () => BundleSet
  /** Opens the stream from a position (all zero: from a snapshot); ends or throws when the connection does, and when the signal aborts. */
  readonly open: (position: StreamHead, signal: AbortSignal) => AsyncIterable<StreamFrame>
  /** Has the signer's clock told to this nonce, through whatever relays; UNIMPLEMENTED when they are older. Without it the reader trusts its own clock. */
  readonly time?: (nonce: Uint8Array, signal: AbortSignal) => Promise<StreamFrame>
  /** Who this verifier is and how its reports reach the server. Without it nobody knows of it, and `revoke --wait` does not wait for it. */
  readonly reports?: VerifierReporterConfig & Pick<VerifierReporterDeps, 'identity' | 'open'>
  /** Keeps the highest head over restarts, so that a stream behind it is refused. */
  readonly heads?: HeadStore
}

const firstRetryMs = 100
const longestRetryMs = 5_000
/** Heartbeats come each second: a connection that brings nothing of use for this long is left. */
const silenceLimitMs = 5_000
const looksOfSilence = 5
const measureEveryMs = 60_000
const measureSoonMs = 5_000
const nothing: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }

/** A reader of the revocation stream that keeps itself connected. Serves what it last knew while the stream is away; {@link freshness} says how old that is. */
export class RevocationFeed implements RevocationChecker, AsyncDisposable {
  readonly #deps: RevocationFeedDeps
  readonly #reader: RevocationReader
  readonly #stop = new AbortController()
  /** Resolves once a first state is known, and how fresh it is; never rejects. */
  readonly synced: Promise<void>
  #resolveSynced: () => void = () => undefined
  #running: Promise<void> = Promise.resolve()
  #measuring: Promise<void> = Promise.resolve()
  readonly #keeper: HeadKeeper | undefined
  #reporter: VerifierReporter | undefined

  private constructor(config: RevocationFeedConfig, deps: RevocationFeedDeps, highest: StreamHead | undefined) {
    this.#deps = deps
    this.synced = new Promise((resolve) => (this.#resolveSynced = resolve))
    this.#reader = new RevocationReader({ clock: deps.clock, anchors: () => deps.bundles().authoritiesOf(config.trustDomain) }, highest)
    if (deps.heads !== undefined) this.#keeper = new HeadKeeper({ ...deps, heads: deps.heads, trustDomain: config.trustDomain, highest: () => this.#reader.highest })
  }

  /** Returns without waiting for the stream: until the first snapshot everything is `stale`. See {@link synced}. */
  static async start(config: RevocationFeedConfig, deps: RevocationFeedDeps): Promise<RevocationFeed> {
    const feed = new RevocationFeed(config, deps, await deps.heads?.load(config.trustDomain))
    feed.#running = feed.#run(feed.#stop.signal)
    if (deps.reports !== undefined) feed.#reporter = VerifierReporter.start(deps.reports, { ...deps, ...deps.reports, state: () => feed.#reader.state })
    feed.#measuring = feed.#measure(feed.#stop.signal)
    return feed
  }

  /** The class that this verifier registered with; unset when it reports nothing. */
  get class(): StalenessClass | undefined {
    return this.#deps.reports?.class
  }

  check(facts: ChainFacts): CheckOutcome {
    return this.#reader.check(facts)
  }

  freshness(): Freshness | undefined {
    return this.#reader.freshness()
  }

  /** Called with what was revoked, as soon as it is known. It must not throw. */
  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    return this.#reader.onRevoked(listener)
  }

  noteUse(serial: Uint8Array): void {
    this.#reporter?.used(serial)
  }

  /** Another SVID is in force: reports are signed with it from now on. */
  identityChanged(): void {
    this.#reporter?.identityChanged()
  }

  get position(): StreamHead {
    return this.#reader.position
  }

  /** Aborts when the feed is disposed. */
  get ended(): AbortSignal {
    return this.#stop.signal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#running, this.#measuring, this.#reporter?.[Symbol.asyncDispose]()])
    await this.#keeper?.[Symbol.asyncDispose]()
  }

  async #run(signal: AbortSignal): Promise<void> {
    let retryMs = firstRetryMs
    let position = nothing
    while (!signal.aborted) {
      const end = await this.#follow(position, signal)
      position = end.needsSnapshot ? nothing : this.#reader.position
      retryMs = end.received ? firstRetryMs : Math.min(retryMs * 2, longestRetryMs)
      const jitter = 0.5 + (this.#deps.random.bytes(1)[0] ?? 0) / 255
      await this.#deps.clock.sleep(retryMs * jitter, signal).catch(() => undefined) // only aborts
    }
  }

  /** One connection, to its end. */
  async #follow(position: StreamHead, signal: AbortSignal): Promise<{ readonly received: boolean; readonly needsSnapshot: boolean }> {
    const connection = new AbortController()
    const both = AbortSignal.any([signal, connection.signal])
    let heardBootMs = this.#deps.clock.bootMs()
    let received = false
    const watchdog = this.#watch(() => heardBootMs, connection, both)
    try {
      for await (const message of this.#deps.open(position, both)) {
        const outcome = this.#reader.accept(message)
        this.#note(outcome)
        if (outcome.kind !== 'forged' && outcome.kind !== 'signer_refused') heardBootMs = this.#deps.clock.bootMs()
        if (outcome.kind === 'gap') return { received, needsSnapshot: true }
        received ||= outcome.kind === 'replaced' || outcome.kind === 'confirmed' || outcome.kind === 'applied'
        if (this.freshness() !== undefined) this.#resolveSynced()
      }
    } catch (error) {
      if (!signal.aborted) this.#deps.logger.warn({ event: 'revocation.disconnected', error: String(error) }, 'the revocation stream broke off')
    } finally {
      connection.abort()
      await watchdog
    }
    return { received, needsSnapshot: false }
  }

  /** Asks for the signer's time once there is a first state, then each minute; soon again when it failed or the clocks seem to differ. */
  async #measure(signal: AbortSignal): Promise<void> {
    const { time, clock, random, logger } = this.#deps
    if (time === undefined) return
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.synced, stopped])
    let wasSkewed = false
    while (!signal.aborted) {
      let soon = false
      try {
        const nonce = random.bytes(nonceBytes)
        this.#reader.asksTime(nonce)
        soon = this.#reader.accept(await time(nonce, signal)).kind !== 'timed'
      } catch (error) {
        if (signal.aborted) return
        soon = true
        logger.debug({ event: 'revocation.unmeasured', error: String(error) }, 'the clock of the signer could not be measured')
      }
      const freshness = this.freshness()
      const skewMs = freshness === undefined ? undefined : skewOf(freshness)
      if (skewMs !== undefined && !wasSkewed) logger.error({ event: 'revocation.clock_skew', skewMs }, 'this clock differs from that of the revocation stream by over a second: nothing but class available is accepted')
      wasSkewed = skewMs !== undefined
      await clock.sleep(soon || wasSkewed ? measureSoonMs : measureEveryMs, signal).catch(() => undefined) // only aborts
    }
  }

  async #watch(heardBootMs: () => number, connection: AbortController, signal: AbortSignal): Promise<void> {
    let heard = heardBootMs()
    let silentLooks = 0
    while (!signal.aborted) {
      await this.#deps.clock.sleep(silenceLimitMs / looksOfSilence, signal).catch(() => undefined) // only aborts
      // Counted in looks and not by the clock: a process that was held up for a while has its messages still to read.
      silentLooks = heardBootMs() === heard ? silentLooks + 1 : 0
      heard = heardBootMs()
      if (silentLooks > looksOfSilence) connection.abort()
    }
  }

  #note(outcome: ReaderOutcome): void {
    switch (outcome.kind) {
      case 'applied':
      case 'replaced':
        this.#keeper?.moved()
        this.#reporter?.moved()
        return
      case 'gap':
      case 'forged':
      case 'signer_refused':
      case 'rollback':
        this.#deps.logger.warn({ event: 'revocation.refused_frame', outcome: outcome.kind, why: outcome.why }, 'a frame of the revocation stream was refused')
        return
      case 'stale_epoch':
        this.#deps.logger.warn({ event: 'revocation.refused_frame', outcome: outcome.kind, why: 'epoch' }, 'a frame of the revocation stream was refused')
        return
      case 'confirmed':
      case 'partial':
      case 'introduced':
      case 'timed':
      case 'duplicate':
        return
      default:
        outcome satisfies never
    }
  }
}
