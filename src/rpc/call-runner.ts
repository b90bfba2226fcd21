import type { EventEmitter } from 'node:events'
import { Metadata as GrpcMetadata } from '@grpc/grpc-js'
import type { sendUnaryData, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, UntypedHandleCall } from '@grpc/grpc-js'
import { MayflyError } from '../core/errors.ts'
import type { RpcStatusName } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { BidiHandler, Call, ServerStreamHandler, UnaryHandler } from './handlers.ts'
import { metadataView } from './metadata.ts'
import type { Metadata } from './metadata.ts'
import type { PeerTable } from './peer-table.ts'
import { requestsOf, untilAborted, writeAll } from './server-streams.ts'
import type { RpcMethod } from './services.ts'
import { toStatus } from './status.ts'

type GrpcCall = ServerUnaryCall<object, object> | ServerWritableStream<object, object> | ServerDuplexStream<object, object>
type AnyHandler<Peer> = UnaryHandler<object, object, Peer> | ServerStreamHandler<object, object, Peer> | BidiHandler<object, object, Peer>

interface RunningCall {
  readonly stop: AbortController
  readonly streaming: boolean
  readonly method: string
  /** By the boot clock; 0 while nobody wants to know. */
  readonly startedMs: number
  /** How it ended. */
  status: RpcStatusName | 'OK'
}

/** What is told of each call that begins. */
export interface BeganCall {
  /** `/<service>/<method>`. */
  readonly method: string
  /** The call's own, handed to its handler. */
  readonly signal: AbortSignal
  readonly metadata: Metadata
  readonly streaming: boolean
}

/** What is told of each call that ended. */
export interface EndedCall {
  /** `/<service>/<method>`. */
  readonly method: string
  readonly signal: AbortSignal
  readonly status: RpcStatusName | 'OK'
  readonly ms: number
  readonly streaming: boolean
}

/** Runs handlers: finds the peer, links the signal, bounds the time, and turns what they return or throw into gRPC. */
export class CallRunner<Peer> {
  readonly #running = new Set<RunningCall>()
  readonly #log: Logger
  readonly #clock: Clock
  readonly #peers: PeerTable<Peer>
  readonly #maxUnaryMs: number
  readonly #onBegan: ((call: BeganCall) => void) | undefined
  readonly #onEnded: ((call: EndedCall) => void) | undefined
  #whenIdle: (() => void)[] = []

  constructor(deps: { readonly log: Logger; readonly clock: Clock; readonly onBegan?: ((call: BeganCall) => void) | undefined; readonly onEnded?: ((call: EndedCall) => void) | undefined }, peers: PeerTable<Peer>, bounds: { readonly maxUnaryMs: number }) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#peers = peers
    this.#maxUnaryMs = bounds.maxUnaryMs
    this.#onBegan = deps.onBegan
    this.#onEnded = deps.onEnded
  }

  get size(): number {
    return this.#running.size
  }

  /** @param handlers by method name */
  implementationOf(methods: ReadonlyMap<string, RpcMethod>, handlers: object): Record<string, UntypedHandleCall> {
    const given = new Map<string, AnyHandler<Peer>>(Object.entries(handlers))
    return Object.fromEntries([...methods].map(([name, method]) => [name, this.#wrap(method, given.get(name) ?? unimplemented(method))]))
  }

  endStreams(reason: MayflyError): void {
    for (const call of this.#running) if (call.streaming) call.stop.abort(reason)
  }

  /** Resolves once no call is in progress. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  // Which of the three kinds a handler is follows from its method: Handlers<S, Peer> held that when it was added.
  #wrap(method: RpcMethod, handler: AnyHandler<Peer>): UntypedHandleCall {
    if (!method.responseStream) {
      const unary = handler as UnaryHandler<object, object, Peer> // see above
      return (call: ServerUnaryCall<object, object>, respond: sendUnaryData<object>): void => void this.#unary(method, unary, call, respond)
    }
    if (!method.requestStream) {
      const stream = handler as ServerStreamHandler<object, object, Peer> // see above
      return (call: ServerWritableStream<object, object>): void => void this.#stream(method, call, (context) => stream(call.request, context))
    }
    const bidi = handler as BidiHandler<object, object, Peer> // see above
    return (call: ServerDuplexStream<object, object>): void => {
      // A client of grpc-js keeps all that it has sent, in case it must be sent again, until it hears something: on a stream that is seldom answered that would be for hours.
      call.sendMetadata(new GrpcMetadata())
      void this.#stream(method, call, (context) => bidi(requestsOf(call, context.signal), context))
    }
  }

  async #unary(method: RpcMethod, handler: UnaryHandler<object, object, Peer>, call: ServerUnaryCall<object, object>, respond: sendUnaryData<object>): Promise<void> {
    const running = this.#begin(method, call, false)
    try {
      this.#clock.sleep(this.#maxUnaryMs, running.stop.signal).then(
        () => running.stop.abort(new MayflyError('DEADLINE_EXCEEDED', `the call took longer than ${this.#maxUnaryMs} ms`)),
        () => undefined, // the call was over first
      )
      respond(null, await untilAborted(handler(call.request, this.#contextOf(method, call, running)), running.stop.signal))
    } catch (failure) {
      respond(this.#failed(method, running, failure))
    } finally {
      this.#end(running)
    }
  }

  async #stream(method: RpcMethod, call: ServerWritableStream<object, object> | ServerDuplexStream<object, object>, start: (context: Call<Peer>) => AsyncIterable<object>): Promise<void> {
    const running = this.#begin(method, call, true)
    try {
      await writeAll(start(this.#contextOf(method, call, running)), call, running.stop.signal)
      call.end()
    } catch (failure) {
      call.emit('error', this.#failed(method, running, failure))
    } finally {
      this.#end(running)
    }
  }

  #begin(method: RpcMethod, call: GrpcCall, streaming: boolean): RunningCall {
    const running: RunningCall = { stop: new AbortController(), streaming, method: method.path, startedMs: this.#onEnded === undefined ? 0 : this.#clock.bootMs(), status: 'OK' }
    this.#running.add(running)
    this.#onBegan?.({ method: method.path, signal: running.stop.signal, metadata: metadataView(call.metadata), streaming })
    const cancellable: EventEmitter = call
    cancellable.once('cancelled', () => running.stop.abort(callerGone))
    return running
  }

  #end(running: RunningCall): void {
    running.stop.abort(callOver)
    this.#running.delete(running)
    this.#onEnded?.({ method: running.method, signal: running.stop.signal, status: running.status, ms: this.#clock.bootMs() - running.startedMs, streaming: running.streaming })
    if (this.#running.size > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** @throws {MayflyError} UNAVAILABLE when the connection has closed before its call began */
  #contextOf(method: RpcMethod, call: GrpcCall, running: RunningCall): Call<Peer> {
    const found = this.#peers.find(call)
    if (found === undefined) throw new MayflyError('UNAVAILABLE', 'the connection has closed')
    const deadline = call.getDeadline()
    return {
      peer: found.peer,
      signal: running.stop.signal,
      metadata: metadataView(call.metadata),
      method: method.path,
      deadlineMs: deadline instanceof Date ? deadline.getTime() : Number.isFinite(deadline) ? deadline : undefined,
    }
  }

  #failed(method: RpcMethod, running: RunningCall, failure: unknown): ReturnType<typeof toStatus> {
    const over = running.stop.signal.aborted
    running.status = failure instanceof MayflyError ? failure.status : 'INTERNAL'
    if (!(failure instanceof MayflyError) && !over) this.#log.error({ event: 'rpc.failed', method: method.path, error: failure }, 'a call failed unexpectedly')
    else if (failure instanceof MayflyError && failure.status === 'INTERNAL') this.#log.error({ event: 'rpc.failed', method: method.path, error: failure }, failure.message)
    return toStatus(failure)
  }
}

// Made once: every call ends with one of these, and a stack trace costs more than the rest of it.
const callerGone = new MayflyError('CANCELLED', 'the caller has gone')
const callOver = new MayflyError('CANCELLED', 'the call is over')

/** Answers UNIMPLEMENTED in the shape of the method. */
function unimplemented(method: RpcMethod): () => never {
  return () => {
    throw new MayflyError('UNIMPLEMENTED', `${method.path} is not implemented here`)
  }
}
