import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import { encodeSpans } from './otlp.ts'
import type { Attributes, FinishedSpan } from './tracer.ts'

export interface ExporterConfig {
  /** `http://127.0.0.1:4318/v1/traces` */
  readonly endpoint: string
  /** What the spans are of: `service.name`, … */
  readonly resource: Attributes
}

export interface ExporterDeps {
  readonly clock: Clock
  readonly log: Logger
}

const maxQueue = 4_096
const maxBatch = 512
const everyMs = 2_000
const limitMs = 5_000
const retryMs = 5_000
/** What the specification says may be tried again. */
const passing = new Set([429, 502, 503, 504])

/** Sends spans to a collector, by OTLP over HTTP. What it cannot send it drops, and says how much: nobody waits for a trace. */
export class SpanExporter implements AsyncDisposable {
  readonly #config: ExporterConfig
  readonly #deps: ExporterDeps
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #queue: FinishedSpan[] = []
  #dropped = 0

  constructor(config: ExporterConfig, deps: ExporterDeps) {
    this.#config = config
    this.#deps = deps
    this.#running = this.#run()
  }

  add(span: FinishedSpan): void {
    if (this.#queue.length < maxQueue) this.#queue.push(span)
    else this.#dropped++
  }

  /** Sends what is left, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
      while (this.#queue.length > 0) {
        const batch = this.#queue.splice(0, maxBatch)
        const outcome = await this.#send(batch)
        if (outcome === 'sent') continue
        if (outcome === 'later' && !signal.aborted && this.#queue.length + batch.length <= maxQueue) {
          this.#queue = [...batch, ...this.#queue]
          await clock.sleep(retryMs, signal).catch(() => undefined) // only aborts
        } else this.#dropped += batch.length
        if (signal.aborted) break
      }
      this.#report()
    }
  }

  #report(): void {
    if (this.#dropped === 0) return
    this.#deps.log.warn({ event: 'tracing.dropped', endpoint: this.#config.endpoint, spans: this.#dropped }, 'spans could not be sent')
    this.#dropped = 0
  }

  /** Never fails. */
  async #send(batch: readonly FinishedSpan[]): Promise<'sent' | 'later' | 'refused'> {
    const body = Buffer.from(encodeSpans(batch, this.#config.resource))
    return await new Promise((resolve) => {
      const open = this.#config.endpoint.startsWith('https:') ? httpsRequest : httpRequest
      const request = open(this.#config.endpoint, { method: 'POST', timeout: limitMs, headers: { 'content-type': 'application/json', 'content-length': body.length } }, (response) => {
        const { statusCode = 0 } = response
        response.resume()
        resolve(statusCode >= 200 && statusCode < 300 ? 'sent' : passing.has(statusCode) ? 'later' : 'refused')
      })
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve('later'))
      request.end(body)
    })
  }
}
