import type { TracingConfig } from '../src/config/tracing.ts'
import { MayflyError } from '../src/core/errors.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import type { RpcServerDeps } from '../src/rpc/server.ts'
import { CallSpans } from '../src/tracing/call-spans.ts'
import { SpanExporter } from '../src/tracing/exporter.ts'
import type { TraceContext } from '../src/tracing/trace-context.ts'
import { Tracer } from '../src/tracing/tracer.ts'
import type { Issuer } from './api/issuance.ts'
import type { PipelineDeps } from './ca/pipeline.ts'

/** Traces a server: its calls, and each step of issuing. Only a server that is configured to be traced has one. */
export class ServerTracing implements AsyncDisposable {
  readonly #tracer: Tracer
  readonly #exporter: SpanExporter
  readonly #calls: CallSpans
  /** Of the issuing that goes on under a call's signal. */
  readonly #issuing = new WeakMap<AbortSignal, TraceContext>()

  constructor({ endpoint, samplePercent }: TracingConfig, deps: { readonly clock: Clock; readonly random: Random; readonly log: Logger; readonly version: string; readonly trustDomain: string }) {
    this.#exporter = new SpanExporter({ endpoint, resource: { 'service.name': 'mayfly-server', 'service.version': deps.version, 'service.namespace': deps.trustDomain } }, deps)
    this.#tracer = new Tracer({ samplePercent }, { ...deps, finished: (span) => this.#exporter.add(span) })
    this.#calls = new CallSpans(this.#tracer)
  }

  /** For the gRPC server behind a listener. */
  onBegan(listener: string): RpcServerDeps['onBegan'] {
    return this.#calls.began(listener, true)
  }

  readonly onEnded: NonNullable<RpcServerDeps['onEnded']> = (call) => this.#calls.ended(call)

  /** The same issuer, traced. */
  issuer(issuer: Issuer): Issuer {
    return {
      issue: async (requests, signal) => {
        const span = this.#tracer.start('mayfly.issue', 'internal', this.#calls.contextOf(signal), { 'mayfly.requests': requests.length })
        this.#issuing.set(signal, span.context)
        try {
          const outcomes = await issuer.issue(requests, signal)
          const issued = outcomes.filter(({ kind }) => kind === 'issued').length
          span.end({ 'mayfly.issued': issued, 'mayfly.refused': outcomes.length - issued })
          return outcomes
        } catch (error) {
          span.end({}, error instanceof MayflyError ? error.code : 'INTERNAL')
          throw error
        }
      },
    }
  }

  /** For the pipeline. */
  readonly steps: NonNullable<PipelineDeps['steps']> = (step, requests, signal) => {
    const span = this.#tracer.start(`mayfly.issue.${step}`, 'internal', this.#issuing.get(signal), { 'mayfly.requests': requests })
    return (failure) => span.end({}, failure)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exporter[Symbol.asyncDispose]()
  }
}
