import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { TraceContext } from './trace-context.ts'

export type Attributes = Readonly<Record<string, string | number | boolean>>

/** A span that is over. */
export interface FinishedSpan extends TraceContext {
  readonly parentSpanId: Uint8Array | undefined
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client'
  /** ms since the epoch. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  /** Why it failed; unset when it did not. */
  readonly failure: string | undefined
}

/** A span that goes on. */
export interface Span {
  readonly context: TraceContext
  /** Once; a second time says nothing. @param failure a code, such as LIMIT_EXCEEDED */
  end(attributes?: Attributes, failure?: string): void
}

export interface TracerConfig {
  /** Of the traces that begin here, 0 to 100; those that come with a caller are as the caller decided. */
  readonly samplePercent: number
}

export interface TracerDeps {
  readonly clock: Clock
  readonly random: Random
  /** Takes each span that is over; must not throw. */
  readonly finished: (span: FinishedSpan) => void
}

/** Begins spans. Durations are of the clock that never goes back. */
export class Tracer {
  readonly #config: TracerConfig
  readonly #deps: TracerDeps

  constructor(config: TracerConfig, deps: TracerDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** @param parent another span's context; unset: a trace of its own */
  start(name: string, kind: FinishedSpan['kind'], parent: TraceContext | undefined, attributes: Attributes = {}): Span {
    const { clock, random, finished } = this.#deps
    const context: TraceContext = { traceId: parent?.traceId ?? random.bytes(16), spanId: random.bytes(8), sampled: parent?.sampled ?? this.#isSampled() }
    const startMs = clock.nowMs()
    const startBootMs = clock.bootMs()
    let over = false
    return {
      context,
      end: (more = {}, failure) => {
        if (over) return
        over = true
        if (context.sampled) finished({ ...context, parentSpanId: parent?.spanId, name, kind, startMs, endMs: startMs + (clock.bootMs() - startBootMs), attributes: { ...attributes, ...more }, failure })
      },
    }
  }

  #isSampled(): boolean {
    const [high = 0, low = 0] = this.#deps.random.bytes(2)
    return (high * 256 + low) % 10_000 < this.#config.samplePercent * 100
  }
}
