import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { SourceLink, timelyMs, type Fault, type SourceLinkDeps, type StreamSource } from './source-link.ts'
import type { StreamFrame } from './reader.ts'

export type StreamSourcesDeps = Omit<SourceLinkDeps, 'newest' | 'isJudged' | 'changed'>

export interface SourceStatus {
  readonly name: string
  readonly isCurrent: boolean
  readonly isConnected: boolean
  /** Infinite when it brought nothing. */
  readonly lagMs: number
  readonly leftFor: Fault | undefined
}

const lookMs = 250
/** One that is tried must show in so long that it is better. */
const trialMs = 3_000
/** By so much newer must be what it brings. */
const betterByMs = 500
/** A preferred one shows so many heartbeats in time before it is gone back to. */
const provenFrames = 3
const backEveryMs = 30_000
/** So long may one source take to answer what the time is while there are others to ask. */
const answerLimitMs = 1_500
/** A source whose newest is no older is there, so that it could have answered: heartbeats come each second. */
const thereMs = 1_200
/** A connection that was lost is made anew at once, if it can be. */
const lostMs = 500
/** A slower answer says less of the time: another may do better. */
const promptMs = 500

/**
 * Reads the stream from one of several sources, the first that is good: another takes over when that one is gone, silent, behind or caught at a lie, and the first is gone back
 * to when it is good again. While one is in doubt a second is read beside it; frames that come twice do no harm.
 */
export class StreamSources<S extends StreamSource = StreamSource> implements AsyncDisposable {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #links: readonly SourceLink<S>[]
  readonly #stop = new AbortController()
  readonly #closing = new Set<Promise<void>>()
  readonly #listeners = new Set<() => void>()
  #current: SourceLink<S>
  #trial: SourceLink<S> | undefined
  readonly #random: Random
  #backBootMs: number
  #looking: Promise<void> = Promise.resolve()

  private constructor(sources: readonly S[], deps: StreamSourcesDeps) {
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#random = deps.random
    const newest = { signedAtMs: 0 }
    const isJudged = sources.length > 1
    const changed = (): void => {
      if (isJudged) this.#look()
    }
    this.#links = sources.map((source, index) => new SourceLink(source, index, { ...deps, newest, isJudged, changed }))
    const [first] = this.#links
    if (first === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the revocation stream needs a source')
    this.#current = first
    this.#backBootMs = this.#nextBack()
  }

  /** @param sources the best first; at least one @throws {MayflyError} INVALID_ARGUMENT */
  static start<S extends StreamSource>(sources: readonly S[], deps: StreamSourcesDeps): StreamSources<S> {
    const all = new StreamSources(sources, deps)
    all.#current.open()
    if (sources.length > 1) all.#looking = all.#lookOn(all.#stop.signal)
    return all
  }

  /** The one that is read from. */
  get current(): S {
    return this.#current.source
  }

  get status(): readonly SourceStatus[] {
    return this.#links.map((link) => ({ name: link.source.name, isCurrent: link === this.#current, isConnected: link.isConnected, lagMs: link.lagMs, leftFor: link.leftFor }))
  }

  /** Called when another source has taken over; it must not throw. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** A whole snapshot beside the running stream. @throws {MayflyError} UNAVAILABLE and others */
  async fetchSnapshot(signal: AbortSignal): Promise<void> {
    await this.#current.fetchSnapshot(AbortSignal.any([signal, this.#stop.signal]))
  }

  /**
   * Asks the present source for the signer's time, and others when it fails, or takes long: one that holds the time back is left when another did not. Whether it was answered.
   * @param ask a new request to this source
   * @param isAnswer takes the answer in, if it is one
   */
  async askTime(ask: (source: S, signal: AbortSignal) => Promise<StreamFrame>, isAnswer: (frame: StreamFrame) => boolean, signal: AbortSignal): Promise<boolean> {
    const links = [this.#current, ...this.#links.filter((link) => link !== this.#current && link.fault === undefined)]
    let silent: SourceLink<S> | undefined
    let isAnswered = false
    for (const link of links) {
      const { kind, tookMs } = await this.#askOne(link, ask, isAnswer, links.length > 1, signal)
      if (kind === 'withheld') silent ??= link
      if (kind !== 'answered') continue
      isAnswered = true
      if (tookMs <= promptMs) break
    }
    if (isAnswered && silent !== undefined && silent.lagMs <= thereMs) silent.caught('time')
    return isAnswered
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#looking, ...this.#closing, ...this.#links.map(async (link) => link.close())])
  }

  async #askOne(link: SourceLink<S>, ask: (source: S, signal: AbortSignal) => Promise<StreamFrame>, isAnswer: (frame: StreamFrame) => boolean, isLimited: boolean, signal: AbortSignal): Promise<{ readonly kind: 'answered' | 'withheld' | 'failed'; readonly tookMs: number }> {
    const startedBootMs = this.#clock.bootMs()
    const limit = new AbortController()
    const over = AbortSignal.any([signal, limit.signal])
    const timer = isLimited ? this.#clock.sleep(answerLimitMs, over).then(() => limit.abort(new MayflyError('DEADLINE_EXCEEDED', 'no answer in time')), () => undefined) : undefined // only aborts
    try {
      const isGood = isAnswer(await ask(link.source, over))
      return { kind: isGood ? 'answered' : 'withheld', tookMs: this.#clock.bootMs() - startedBootMs }
    } catch (error) {
      if (!signal.aborted) this.#logger.debug({ event: 'revocation.unmeasured', source: link.source.name, error: String(error) }, 'the clock of the signer could not be measured')
      const isLate = !signal.aborted && error instanceof MayflyError && error.code === 'DEADLINE_EXCEEDED'
      return { kind: isLate ? 'withheld' : 'failed', tookMs: 0 }
    } finally {
      limit.abort()
      await timer
    }
  }

  async #lookOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#look()
      await this.#clock.sleep(lookMs, signal).catch(() => undefined) // only aborts
    }
  }

  #look(): void {
    if (this.#stop.signal.aborted) return
    const bootMs = this.#clock.bootMs()
    const isDoubted = this.#isDoubted(bootMs)
    const trial = this.#trial
    if (trial === undefined) {
      if (isDoubted) this.#try(this.#nextBest(bootMs))
      else if (this.#current.index > 0 && bootMs >= this.#backBootMs) this.#tryPreferred(bootMs)
      return
    }
    if (trial.fault !== undefined) return this.#dismiss(trial, trial.fault)
    if (isDoubted && this.#isBetter(trial)) return this.#switchTo(trial, this.#current.weakness)
    if (!isDoubted && trial.index < this.#current.index && trial.timelyFrames >= provenFrames) return this.#switchTo(trial, undefined)
    if (!isDoubted && trial.index > this.#current.index) return this.#dismiss(trial, undefined)
    if (bootMs - trial.openedBootMs > trialMs + (isDoubted ? 0 : provenFrames * 1_000)) this.#dismiss(trial, trial.weakness)
  }

  #isBetter(trial: SourceLink<S>): boolean {
    const current = this.#current
    if (trial.timelyFrames > 0 && (current.fault !== undefined || !current.isConnected)) return true
    return trial.lagMs + betterByMs < current.lagMs
  }

  /** A connection has a moment to bring its first. */
  #isDoubted(bootMs: number): boolean {
    const current = this.#current
    if (current.fault !== undefined || current.lostMs > lostMs) return true
    return Math.min(current.lagMs, bootMs - current.openedBootMs) > timelyMs
  }

  /** The first that is not to blame. When all are and the present one brings nothing, the one whose fault is the longest ago: what it brings is checked, and nobody is better off without. */
  #nextBest(bootMs: number): SourceLink<S> | undefined {
    const others = this.#links.filter((link) => link !== this.#current && link.pauseUntilBootMs <= bootMs)
    const good = others.find((link) => link.restUntilBootMs <= bootMs)
    if (good !== undefined || this.#current.lagMs <= timelyMs) return good
    return others.toSorted((left, right) => left.restUntilBootMs - right.restUntilBootMs)[0]
  }

  #tryPreferred(bootMs: number): void {
    this.#backBootMs = this.#nextBack()
    this.#try(this.#links.find((link) => link.index < this.#current.index && link.restUntilBootMs <= bootMs))
  }

  /** By chance a little sooner or later: a relay that is back is not met by all its readers at once. */
  #nextBack(): number {
    return this.#clock.bootMs() + backEveryMs * (0.75 + (this.#random.bytes(1)[0] ?? 0) / 510)
  }

  #try(link: SourceLink<S> | undefined): void {
    if (link === undefined) return
    this.#trial = link
    this.#backBootMs = this.#nextBack()
    link.open()
  }

  /** It was no better, or is not needed. */
  #dismiss(link: SourceLink<S>, fault: Fault | undefined): void {
    this.#trial = undefined
    this.#close(link)
    if (fault === undefined) return
    link.rest(fault)
    link.pause()
  }

  #switchTo(link: SourceLink<S>, fault: Fault | undefined): void {
    const left = this.#current
    this.#current = link
    this.#trial = undefined
    link.taken()
    this.#backBootMs = this.#nextBack()
    if (fault !== undefined) left.rest(fault)
    this.#close(left)
    if (fault === undefined) this.#logger.info({ event: 'revocation.source_back', source: link.source.name, from: left.source.name }, 'a preferred source of the revocation stream is good again')
    else this.#logger.warn({ event: 'revocation.source_left', source: left.source.name, why: fault, to: link.source.name }, 'the revocation stream is read from another source')
    for (const listener of this.#listeners) listener()
  }

  #close(link: SourceLink<S>): void {
    const closed = link.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
