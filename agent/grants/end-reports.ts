import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { backoffMs } from '../rotation/schedule.ts'
import type { StateFiles } from '../sync/state-files.ts'
import type { GrantServer } from './ports.ts'

/** That a grant is over on this node, as the server is to write it down. */
export interface EndReport {
  readonly grantId: string
  readonly cause: string
  readonly outcome: string
  readonly detail: string
}

export interface EndReportsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly server: Pick<GrantServer, 'end'>
  readonly files: StateFiles
}

const file = 'grants-ended.json'
const maxBytes = 4_194_304
/** More than a node ever has while its server is away; the oldest are left to the server's own proof of life. */
const maxReports = 10_000
const retry = { leastMs: 100, mostMs: 5_000 }
/** With these the server says that there is nothing left to end. */
const settled: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NOT_FOUND', 'GRANT_ENDED', 'GRANT_LAPSED', 'GRANT_DENIED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT'])

/** Ends that the server has to hear of: told at once, and again until it has them; kept on disk over a restart of the agent. */
export class EndReports implements AsyncDisposable {
  readonly #deps: EndReportsDeps
  readonly #stop = new AbortController()
  readonly #waiting = new Map<string, EndReport>()
  readonly #sending = new Set<Promise<unknown>>()
  #saved: Promise<void> = Promise.resolve()
  #saveDue = false

  private constructor(deps: EndReportsDeps) {
    this.#deps = deps
  }

  /** Takes up what an earlier life left unsaid. */
  static async start(deps: EndReportsDeps): Promise<EndReports> {
    const reports = new EndReports(deps)
    for (const report of await load(deps)) void reports.#tell(report)
    return reports
  }

  /** Resolves with the grant as the server has it then; rejects when this agent stops before, or when the server knows of no such grant. */
  async report(report: EndReport): Promise<Grant__Output> {
    const told = this.#tell(report)
    this.#save()
    return await told
  }

  get size(): number {
    return this.#waiting.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await Promise.allSettled(this.#sending)
    await this.#saved
  }

  #tell(report: EndReport): Promise<Grant__Output> {
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined && this.#waiting.size >= maxReports) this.#waiting.delete(oldest)
    this.#waiting.set(report.grantId, report)
    const sent = this.#send(report)
    this.#sending.add(sent)
    sent.catch(() => undefined).finally(() => this.#sending.delete(sent))
    return sent
  }

  async #send(report: EndReport): Promise<Grant__Output> {
    const { clock, random, log, server } = this.#deps
    const { signal } = this.#stop
    for (let failures = 1; ; failures++) {
      signal.throwIfAborted()
      try {
        const grant = await server.end(report, signal)
        this.#done(report)
        return grant
      } catch (error) {
        signal.throwIfAborted()
        const code = error instanceof MayflyError ? error.code : 'INTERNAL'
        if (settled.has(code)) {
          this.#done(report)
          throw error
        }
        log.warn({ event: 'grant.end_unreported', grantId: report.grantId, cause: report.cause, code, failures }, 'the server has not heard yet that a grant is over')
        await clock.sleep(backoffMs(failures, retry, random), signal)
      }
    }
  }

  #done(report: EndReport): void {
    if (this.#waiting.get(report.grantId) !== report) return
    this.#waiting.delete(report.grantId)
    this.#save()
  }

  /** One write at a time; what changes meanwhile is in the next. */
  #save(): void {
    if (this.#saveDue) return
    this.#saveDue = true
    this.#saved = this.#write(this.#saved)
  }

  async #write(before: Promise<void>): Promise<void> {
    await before
    this.#saveDue = false
    try {
      if (this.#waiting.size === 0) await this.#deps.files.remove(file)
      else await this.#deps.files.write(file, JSON.stringify([...this.#waiting.values()]))
    } catch (error) {
      this.#deps.log.error({ event: 'state.unwritable', error: String(error) }, 'ends of grants that the server has not heard of could not be kept')
    }
  }
}

async function load({ files, log }: EndReportsDeps): Promise<readonly EndReport[]> {
  try {
    const bytes = await files.read(file, maxBytes)
    const found: unknown = bytes === undefined ? [] : JSON.parse(new TextDecoder().decode(bytes))
    return Array.isArray(found) ? found.filter(isReport) : []
  } catch (error) {
    log.warn({ event: 'state.unreadable', file, error: String(error) }, 'ends of grants of an earlier life cannot be read; the server finds them by their silence')
    return []
  }
}

function isReport(value: unknown): value is EndReport {
  if (typeof value !== 'object' || value === null) return false
  return (['grantId', 'cause', 'outcome', 'detail'] as const).every((name) => typeof Reflect.get(value, name) === 'string')
}
