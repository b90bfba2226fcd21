import type { TracingConfig } from '../src/config/tracing.ts'
import { MayflyError } from '../src/core/errors.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import type { RpcServerDeps } from '../src/rpc/server.ts'
import { CallSpans } from '../src/tracing/call-spans.ts'
import { SpanExporter } from '../src/tracing/exporter.ts'
import { formatTraceparent } from '../src/tracing/trace-context.ts'
import { Tracer } from '../src/tracing/tracer.ts'
import type { SvidSigner } from './rotation/signer.ts'

/** Traces an agent: calls on its sockets, and what it asks its server to sign. Only an agent that is configured to be traced has one. */
export class AgentTracing implements AsyncDisposable {
  readonly #tracer: Tracer
  readonly #exporter: SpanExporter
  readonly #calls: CallSpans

  constructor({ endpoint, samplePercent }: TracingConfig, deps: { readonly clock: Clock; readonly random: Random; readonly log: Logger; readonly version: string }) {
    this.#exporter = new SpanExporter({ endpoint, resource: { 'service.name': 'mayfly-agent', 'service.version': deps.version } }, deps)
    this.#tracer = new Tracer({ samplePercent }, { ...deps, finished: (span) => this.#exporter.add(span) })
    this.#calls = new CallSpans(this.#tracer)
  }

  /** For the gRPC server behind a listener; workloads have no say in what this agent traces. */
  onBegan(listener: string): RpcServerDeps['onBegan'] {
    return this.#calls.began(listener, false)
  }

  readonly onEnded: NonNullable<RpcServerDeps['onEnded']> = (call) => this.#calls.ended(call)

  /** The same signer, traced; the server goes on with the trace. */
  signer(signer: SvidSigner): SvidSigner {
    return {
      sign: async (requests) => {
        const span = this.#tracer.start('mayfly.agent.sign', 'client', undefined, { 'mayfly.requests': requests.length })
        try {
          const outcomes = await signer.sign(requests, { traceparent: formatTraceparent(span.context) })
          span.end({ 'mayfly.refused': outcomes.filter(({ kind }) => kind === 'refused').length })
          return outcomes
        } catch (error) {
          span.end({}, error instanceof MayflyError ? error.code : 'INTERNAL')
          throw error
        }
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exporter[Symbol.asyncDispose]()
  }
}
