import type { Metadata } from './metadata.ts'
import type { KindOf, MethodName, RequestOutput, Response, ServiceName } from './services.ts'

/** What a handler knows of its call. */
export interface Call<Peer> {
  /** Who calls, as given to `inject` with the connection. */
  readonly peer: Peer
  /** Aborts when the call is over: the caller cancelled or went away, the deadline passed, or the server drains. Every wait of a handler takes it. */
  readonly signal: AbortSignal
  readonly metadata: Metadata
  /** `/<service>/<method>`. */
  readonly method: string
  /** The caller's deadline, ms since the epoch; `undefined` when it set none. */
  readonly deadlineMs: number | undefined
}

export type UnaryHandler<In, Out, Peer> = (request: In, call: Call<Peer>) => Promise<Out>
/** The next message is asked for once the one before has left: a slow reader holds one message. */
export type ServerStreamHandler<In, Out, Peer> = (request: In, call: Call<Peer>) => AsyncIterable<Out>
/** `requests` throws CANCELLED when the caller goes away before it has said its last. */
export type BidiHandler<In, Out, Peer> = (requests: AsyncIterable<In>, call: Call<Peer>) => AsyncIterable<Out>

export type Handler<S extends ServiceName, M extends MethodName<S>, Peer> = KindOf<S, M> extends 'unary'
  ? UnaryHandler<RequestOutput<S, M>, Response<S, M>, Peer>
  : KindOf<S, M> extends 'serverStream'
    ? ServerStreamHandler<RequestOutput<S, M>, Response<S, M>, Peer>
    : KindOf<S, M> extends 'bidi'
      ? BidiHandler<RequestOutput<S, M>, Response<S, M>, Peer>
      : never

/** Handlers by method name. A method left out answers UNIMPLEMENTED (EP-14). */
export type Handlers<S extends ServiceName, Peer> = { readonly [M in MethodName<S>]?: Handler<S, M, Peer> }
