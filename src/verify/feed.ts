import type { ChainFacts, CheckOutcome } from '../core/revocation/check.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import { nonceBytes } from '../core/revocation/frame.ts'
import { skewOf, stalenessLimitMs, type Freshness, type StalenessClass } from '../core/revocation/freshness.ts'
import { MayflyError } from '../core/errors.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import type { BundleSet } from './bundle-set.ts'
import { HeadKeeper, type HeadStore } from './heads.ts'
import type { StreamSource } from './source-link.ts'
import { StreamSources, type SourceStatus } from './sources.ts'
import { VerifierReporter, type SignedReport, type VerifierReporterConfig, type VerifierReporterDeps } from './reporter.ts'
import { RevocationReader, type ReaderOutcome, type RevokedChange, type StreamFrame } from './reader.ts'
import type { RevocationChecker } from './checker.ts'

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
  /** Name of that source, for the log; `agent` when absent. */
  readonly name?: string
  /** Further sources, the best first: one takes over when those before it are gone, silent, behind or caught at a lie. */
  readonly others?: readonly StreamSource[]
  /** Who this verifier is and how its reports reach the server. Without it nobody knows of it, and `revoke --wait` does not wait for it. */
  readonly reports?: VerifierReporterConfig & Pick<VerifierReporterDeps, 'identity' | 'open'>
  /** Keeps the highest head over restarts, so that a stream behind it is refused. */
  readonly heads?: HeadStore
}

const measureEveryMs = 60_000
const measureSoonMs = 5_000
/** Where the stream comes in time and the answers do not, somebody on the way has too much to do: each try waits twice as long as the one before, up to this. */
const measureLaterMs = 40_000
/** Longer than between two heartbeats. */
const silenceMs = 2_500

/** A reader of the revocation stream that keeps itself connected. Serves what it last knew while the stream is away; {@link freshness} says how old that is. */
export class RevocationFeed implements RevocationChecker, AsyncDisposable {
  readonly #deps: RevocationFeedDeps
  readonly #reader: RevocationReader
  readonly #stop = new AbortController()
  /** Resolves once a first state is known, and how fresh it is; never rejects. */
  readonly synced: Promise<void>
  #resolveSynced: () => void = () => undefined
  #isSynced = false
  #heardBootMs = Number.POSITIVE_INFINITY
  #sources: StreamSources | undefined
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
    feed.#follow()
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

  noteRefusal(serial: Uint8Array): void {
    this.#reporter?.refused(serial)
  }

  /** Another SVID is in force: reports are signed with it from now on. */
  identityChanged(): void {
    this.#reporter?.identityChanged()
  }

  get position(): StreamHead {
    return this.#reader.position
  }

  /** How each source does, the preferred one first. */
  get sources(): readonly SourceStatus[] {
    return this.#sources?.status ?? []
  }

  /** Aborts when the feed is disposed. */
  get ended(): AbortSignal {
    return this.#stop.signal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#sources?.[Symbol.asyncDispose](), this.#measuring, this.#reporter?.[Symbol.asyncDispose]()])
    await this.#keeper?.[Symbol.asyncDispose]()
  }

  #follow(): void {
    const { clock, random, logger, open, time, name, others, reports } = this.#deps
    const first: StreamSource = { name: name ?? 'agent', open, ...(time === undefined ? {} : { time }), ...(reports === undefined ? {} : { report: reports.open }) }
    const accept = (message: StreamFrame): ReaderOutcome => {
      const outcome = this.#reader.accept(message)
      this.#note(outcome)
      if (outcome.kind === 'applied' || outcome.kind === 'replaced' || outcome.kind === 'confirmed') this.#heard(clock.bootMs())
      if (!this.#isSynced && this.freshness() !== undefined) {
        this.#isSynced = true
        this.#resolveSynced()
      }
      return outcome
    }
    this.#sources = StreamSources.start([first, ...(others ?? [])], { clock, random, logger, accept, position: () => this.#reader.position, freshness: () => this.freshness() })
    if (reports !== undefined) this.#reporter = VerifierReporter.start(reports, { clock, random, logger, identity: reports.identity, state: () => this.#reader.state, open: (all, signal) => this.#report(all, signal) })
    this.#sources.onChange(() => this.#reporter?.sourceChanged())
  }

  /** Where the stream comes again after a silence, reports go again too: what failed meanwhile is not held against it. */
  #heard(bootMs: number): void {
    if (bootMs - this.#heardBootMs > silenceMs) this.#reporter?.sourceChanged()
    this.#heardBootMs = bootMs
  }

  /** Through the source that is read from, until another takes its place. */
  async *#report(reports: AsyncIterable<SignedReport>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const sources = this.#sources
    if (sources?.current.report === undefined) throw new MayflyError('UNAVAILABLE', 'the source of the stream takes no reports')
    const left = new AbortController()
    using _ = sources.onChange(() => left.abort(new MayflyError('UNAVAILABLE', 'the stream is read from another source')))
    yield* sources.current.report(reports, AbortSignal.any([signal, left.signal]))
  }

  /** Asks for the signer's time once there is a first state, then each minute; soon again when it failed or the clocks seem to differ. */
  async #measure(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    if (this.#deps.time === undefined && this.#deps.others?.some(({ time }) => time !== undefined) !== true) return
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.synced, stopped])
    let wasSkewed = false
    let failures = 0
    while (!signal.aborted) {
      const isMeasured = await this.#measureOnce(signal)
      if (signal.aborted) return
      const freshness = this.freshness()
      const skewMs = freshness === undefined ? undefined : skewOf(freshness)
      if (skewMs !== undefined && !wasSkewed) logger.error({ event: 'revocation.clock_skew', skewMs }, 'this clock differs from that of the revocation stream by over a second: nothing but class available is accepted')
      wasSkewed = skewMs !== undefined
      failures = isMeasured || (freshness?.ageMs ?? Number.POSITIVE_INFINITY) > stalenessLimitMs.standard ? 0 : failures + 1
      const waitMs = isMeasured && !wasSkewed ? measureEveryMs : Math.min(measureLaterMs, measureSoonMs * 2 ** Math.max(0, failures - 1))
      const chance = (this.#deps.random.bytes(1)[0] ?? 0) / 256 // those who began together don't ask together
      await clock.sleep(waitMs * (1 + chance / 10), signal).catch(() => undefined) // only aborts
    }
  }

  async #measureOnce(signal: AbortSignal): Promise<boolean> {
    const ask = async (source: StreamSource, over: AbortSignal): Promise<StreamFrame> => {
      if (source.time === undefined) throw new MayflyError('UNIMPLEMENTED', 'this source does not tell the time')
      const nonce = this.#deps.random.bytes(nonceBytes)
      this.#reader.asksTime(nonce)
      return source.time(nonce, over)
    }
    return (await this.#sources?.askTime(ask, (frame) => this.#reader.accept(frame).kind === 'timed', signal)) ?? false
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
