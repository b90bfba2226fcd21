import { encodeReport, instanceBytes, maxUses, signedReportBytes, softwareText, type RefusalsReport, type Report } from '../core/revocation/reports.ts'
import type { StalenessClass } from '../core/revocation/freshness.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { UseCounter } from './use-counter.ts'

/** With what a verifier signs: its SVID. */
export interface ReportingIdentity {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  sign(bytes: Uint8Array): Uint8Array
}

/** One report as it travels. */
export interface SignedReport {
  /** `refusals` go along with a receipt. */
  readonly kind: Exclude<Report['kind'], 'refusals'>
  readonly body: Uint8Array
  /** Empty, like the chain, from a verifier without an SVID. */
  readonly signature: Uint8Array
  /** With a registration. */
  readonly svidChain: readonly Uint8Array[]
  /** A second report beside a receipt, which those that do not know it yet leave out. */
  readonly refusals?: { readonly body: Uint8Array; readonly signature: Uint8Array }
}

export interface VerifierReporterConfig {
  /** How old a state this verifier accepts on at most. */
  readonly class: StalenessClass
  /** Name and version of what verifies. */
  readonly software: string
}

export interface VerifierReporterDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The SVID in force; the same object until it is renewed; `undefined` while there is none. */
  readonly identity: () => ReportingIdentity | undefined
  /** How far the verifier is; `undefined` before its first state. */
  readonly state: () => VerifierState | undefined
  /** Sends reports for as long as the connection lasts; yields why the last registration was refused, if it was. */
  readonly open: (reports: AsyncIterable<SignedReport>, signal: AbortSignal) => AsyncIterable<string>
}

/** What a receipt says. */
export interface VerifierState {
  readonly position: StreamHead
  readonly floorMinute: number
  readonly root: Uint8Array
}

/** A receipt waits for so long after the state has moved, and for up to so much more by chance: a thousand verifiers of one machine refuse first, and report then. */
const receiptAfterMs = 50
const receiptSpreadMs = 200
/** At most one receipt in so long. */
const receiptGapMs = 250
/** A receipt though nothing moved, so that the server knows that this verifier is there. */
const receiptEveryMs = 30_000
const usesEveryMs = 10_000
const firstRetryMs = 500
const longestRetryMs = 30_000

/** Tells the server, through whoever the stream comes from: who this verifier is, up to where it has taken the stream in, whom it accepted, and who showed it what had ended. Never holds up a check. */
export class VerifierReporter implements AsyncDisposable {
  readonly #config: VerifierReporterConfig
  readonly #deps: VerifierReporterDeps
  readonly #instance: Uint8Array
  readonly #stop = new AbortController()
  readonly #uses = new UseCounter()
  readonly #refusals = new UseCounter()
  #running: Promise<void> = Promise.resolve()
  #wake: () => void = () => undefined
  /** Another source took over, and was not reported to yet. */
  #hasSwitched = false
  #wakeRetry: () => void = () => undefined
  #number: number
  /** When the state first moved since the last receipt, and when the next is due for that. */
  #moved: { readonly bootMs: number; readonly dueBootMs: number } | undefined
  #receiptBootMs = Number.NEGATIVE_INFINITY
  #usesBootMs: number

  private constructor(config: VerifierReporterConfig, deps: VerifierReporterDeps) {
    this.#config = config
    this.#deps = deps
    this.#instance = deps.random.bytes(instanceBytes)
    this.#number = deps.clock.nowMs() * 1_000
    this.#usesBootMs = deps.clock.bootMs()
  }

  static start(config: VerifierReporterConfig, deps: VerifierReporterDeps): VerifierReporter {
    const reporter = new VerifierReporter(config, deps)
    reporter.#running = reporter.#run(reporter.#stop.signal)
    return reporter
  }

  /** The verifier has taken in more of the stream. */
  moved(): void {
    if (this.#moved !== undefined) return
    const bootMs = this.#deps.clock.bootMs()
    const chance = (this.#deps.random.bytes(1)[0] ?? 0) / 256
    this.#moved = { bootMs, dueBootMs: Math.max(bootMs + receiptAfterMs + chance * receiptSpreadMs, this.#receiptBootMs + receiptGapMs) }
    this.#wake()
  }

  /** Another SVID is in force. */
  identityChanged(): void {
    this.#wake()
  }

  /** The stream is read from another source: what failed with the one before is not held against it. */
  sourceChanged(): void {
    this.#hasSwitched = true
    this.#wakeRetry()
  }

  /** A check has accepted this credential. @param serial 17 bytes */
  used(serial: Uint8Array): void {
    this.#uses.add(serial, this.#deps.clock.nowMs())
  }

  /** A check has refused this credential because it was superseded or revoked. @param serial 17 bytes */
  refused(serial: Uint8Array): void {
    this.#refusals.add(serial, this.#deps.clock.nowMs())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { open, clock, logger } = this.#deps
    let retryMs = firstRetryMs
    while (!signal.aborted) {
      const startedBootMs = clock.bootMs()
      this.#hasSwitched = false
      const over = new AbortController() // what is to be sent waits no longer than its connection, or it would take the reports of the next
      try {
        for await (const refused of open(this.#reports(AbortSignal.any([signal, over.signal])), signal)) {
          if (refused !== '') logger.warn({ event: 'verifier.refused', why: refused }, 'the server does not take this verifier\'s registration')
        }
      } catch (error) {
        if (!signal.aborted) logger.debug({ event: 'verifier.unreported', error: String(error) }, 'reports of this verifier cannot be sent')
      } finally {
        over.abort()
      }
      retryMs = clock.bootMs() - startedBootMs > longestRetryMs ? firstRetryMs : Math.min(retryMs * 2, longestRetryMs)
      const jitter = 0.5 + (this.#deps.random.bytes(1)[0] ?? 0) / 255
      if (!this.#hasSwitched) await this.#retryPause(retryMs * jitter, signal)
      if (!this.#hasSwitched) continue
      retryMs = firstRetryMs
      await clock.sleep(retryMs * jitter, signal).catch(() => undefined) // only aborts
    }
  }

  /** Over one connection: a registration first and with each new SVID, then receipts, with refusals if there were any, and uses. */
  async *#reports(signal: AbortSignal): AsyncGenerator<SignedReport, void, undefined> {
    const { clock, identity, state } = this.#deps
    let registered: ReportingIdentity | undefined
    let isNew = true
    while (!signal.aborted) {
      const own = identity()
      if (isNew || own !== registered) {
        isNew = false
        registered = own
        this.#receiptBootMs = Number.NEGATIVE_INFINITY
        yield this.#sealed({ kind: 'registration', ...this.#head(), class: this.#config.class, software: softwareText(this.#config.software) }, own)
        continue
      }
      const nowBootMs = clock.bootMs()
      const isFirst = this.#receiptBootMs === Number.NEGATIVE_INFINITY
      const usesDueMs = this.#usesBootMs + usesEveryMs - nowBootMs
      // Though nothing moved: refusals go along with it.
      const quietDueMs = this.#refusals.size > 0 ? this.#usesBootMs + usesEveryMs : this.#receiptBootMs + receiptEveryMs
      const receiptDueMs = isFirst ? 0 : (this.#moved?.dueBootMs ?? quietDueMs) - nowBootMs
      const present = state()
      if (own !== undefined && present !== undefined && receiptDueMs <= 0) {
        const heldMs = this.#moved === undefined ? 0 : Math.round(nowBootMs - this.#moved.bootMs)
        this.#moved = undefined
        this.#receiptBootMs = nowBootMs
        const { epoch, seq } = present.position
        const receipt = this.#sealed({ kind: 'receipt', ...this.#head(), epoch, seq, floorMinute: present.floorMinute, heldMs, root: present.root }, own)
        yield { ...receipt, ...this.#refusalsBeside(own) }
        continue
      }
      if (own !== undefined && usesDueMs <= 0) {
        this.#usesBootMs = nowBootMs
        const uses = this.#uses.take(maxUses)
        if (uses.length > 0) yield this.#sealed({ kind: 'uses', ...this.#head(), uses }, own)
        continue
      }
      await this.#pause(own === undefined || present === undefined ? receiptGapMs : Math.max(1, Math.min(receiptDueMs, usesDueMs)), signal)
    }
  }

  #head(): { readonly instance: Uint8Array; readonly number: number } {
    return { instance: this.#instance, number: ++this.#number }
  }

  #refusalsBeside(identity: ReportingIdentity): Pick<SignedReport, 'refusals'> {
    const refusals = this.#refusals.take(maxUses)
    return refusals.length === 0 ? {} : { refusals: signed({ kind: 'refusals', ...this.#head(), refusals }, identity) }
  }

  #sealed(report: Exclude<Report, RefusalsReport>, identity: ReportingIdentity | undefined): SignedReport {
    return { kind: report.kind, ...signed(report, identity), svidChain: report.kind === 'registration' ? (identity?.chain ?? []) : [] }
  }

  /** For so long, or until another source took over. */
  async #retryPause(ms: number, signal: AbortSignal): Promise<void> {
    const pause = new AbortController()
    this.#wakeRetry = () => pause.abort()
    await this.#deps.clock.sleep(ms, AbortSignal.any([signal, pause.signal])).catch(() => undefined) // only aborts
    this.#wakeRetry = () => undefined
  }

  /** For so long, or until something moved. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const pause = new AbortController()
    const over = AbortSignal.any([signal, pause.signal])
    const wake = (): void => pause.abort()
    this.#wake = wake
    await this.#deps.clock.sleep(ms, over).catch(() => undefined) // only aborts
    if (this.#wake === wake) this.#wake = () => undefined
  }
}

function signed(report: Report, identity: ReportingIdentity | undefined): { readonly body: Uint8Array; readonly signature: Uint8Array } {
  const body = encodeReport(report)
  return { body, signature: identity?.sign(signedReportBytes(body)) ?? new Uint8Array(0) }
}
