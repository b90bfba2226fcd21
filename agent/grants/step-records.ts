import type { TakenStep } from '../../proto/generated/mayfly/v1/TakenStep.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { within } from '../abortable.ts'
import { backoffMs } from '../rotation/schedule.ts'
import { Wake } from '../wake.ts'
import type { GrantServer } from './ports.ts'

export interface StepRecordsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly server: Pick<GrantServer, 'writeStep' | 'recordSteps'>
}

const maxWaiting = 10_000
const maxBatch = 500
/** Steps that come together are recorded together: each batch is a call, a transaction and a write to disk at the server, and holds up the steps beside it. */
const gatherMs = 200
/** With the oldest waiting for longer, no further step is let pass. */
const longestUnrecordedMs = 15_000
const retry = { leastMs: 100, mostMs: 2_000 }

/** Steps on their way into the server's record, in order. Bounded: when they cannot be written down, none is taken any more. */
export class StepRecords implements AsyncDisposable {
  readonly #deps: StepRecordsDeps
  readonly #stop = new AbortController()
  readonly #wake = new Wake()
  readonly #waiting: { readonly step: Uint8Array; readonly atBootMs: number }[] = []
  readonly #running: Promise<void>

  constructor(deps: StepRecordsDeps) {
    this.#deps = deps
    this.#running = this.#run()
  }

  /** Whether another step may be taken, as far as the record goes. */
  get accepts(): boolean {
    const [oldest] = this.#waiting
    return this.#waiting.length < maxWaiting && (oldest === undefined || this.#deps.clock.bootMs() - oldest.atBootMs <= longestUnrecordedMs)
  }

  get size(): number {
    return this.#waiting.length
  }

  /** A denial beyond the bound is dropped: nothing was let pass by it. */
  add(step: TakenStep): void {
    if (this.#waiting.length >= maxWaiting && step.allowed !== true) return
    this.#waiting.push({ step: this.#deps.server.writeStep(step), atBootMs: this.#deps.clock.bootMs() })
    this.#wake.ring()
  }

  /** Makes a last attempt for what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#deps
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      if (this.#waiting.length === 0) {
        await this.#wake.heard(signal).catch(() => undefined) // only aborts
        continue
      }
      if (failures === 0 && this.#waiting.length < maxBatch) await clock.sleep(gatherMs, signal).catch(() => undefined) // only aborts
      if (signal.aborted) break
      try {
        await this.#send(signal)
        failures = 0
      } catch (error) {
        if (signal.aborted) break
        failures++
        log.warn({ event: 'step.unrecorded', steps: this.#waiting.length, failures, cause: String(error) }, 'steps could not be recorded yet')
        await clock.sleep(backoffMs(failures, retry, random), signal).catch(() => undefined) // only aborts
      }
    }
    if (this.#waiting.length > 0) await this.#sendLast()
  }

  async #sendLast(): Promise<void> {
    const { clock, log } = this.#deps
    const last = new AbortController()
    try {
      await within(this.#send(last.signal), lastAttemptMs, () => new MayflyError('UNAVAILABLE', 'the server does not answer'), clock, last.signal)
    } catch (error) {
      log.warn({ event: 'step.unrecorded', steps: this.#waiting.length, failures: 1, cause: String(error) }, 'the agent stopped before these steps could be recorded')
    } finally {
      last.abort()
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const batch = this.#waiting.slice(0, maxBatch)
    try {
      await this.#deps.server.recordSteps(batch.map(({ step }) => step), signal)
    } catch (error) {
      if (!(error instanceof MayflyError) || !refused.has(error.code)) throw error
      this.#deps.log.error({ event: 'step.refused', steps: batch.length, code: error.code, cause: error.message }, 'the server will not record these steps')
    }
    this.#waiting.splice(0, batch.length)
  }
}

const lastAttemptMs = 500
/** Sending these again would change nothing. */
const refused: ReadonlySet<string> = new Set(['NOT_FOUND', 'INVALID_ARGUMENT', 'PERMISSION_DENIED'])
