import type { BeganCall, EndedCall } from '../rpc/call-runner.ts'
import type { TraceContext } from './trace-context.ts'
import { parseTraceparent } from './trace-context.ts'
import type { Span, Tracer } from './tracer.ts'

/** Streams that are one exchange: the others go on for as long as a connection, which no trace is about. */
const shortStreams = new Set(['/spire.api.server.agent.v1.Agent/AttestAgent'])

/** The span of each call, found by the call's signal: it is handed down to whatever the call does, so nothing has to guess whose work it does. */
export class CallSpans {
  readonly #tracer: Tracer
  readonly #spans = new WeakMap<AbortSignal, Span>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** For the `onBegan` of a gRPC server. @param believes whether its callers may say which trace a call belongs to, and whether that is kept */
  began(listener: string, believes: boolean): (call: BeganCall) => void {
    return ({ method, signal, metadata, streaming }) => {
      if (streaming && !shortStreams.has(method)) return
      const [, service = '', name = ''] = method.split('/')
      const [parent = ''] = believes ? metadata.values('traceparent') : []
      this.#spans.set(signal, this.#tracer.start('mayfly.rpc', 'server', parseTraceparent(parent), { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': name, 'mayfly.listener': listener }))
    }
  }

  /** For its `onEnded`. */
  ended({ signal, status }: EndedCall): void {
    this.#spans.get(signal)?.end({ 'rpc.grpc.status': status }, status === 'OK' ? undefined : status)
  }

  contextOf(signal: AbortSignal): TraceContext | undefined {
    return this.#spans.get(signal)?.context
  }
}
