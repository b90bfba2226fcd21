import { Client, connectivityState, credentials } from '@grpc/grpc-js'
import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js'
import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { CallScope } from './call-scope.ts'
import { messagesOf } from './client-streams.ts'
import { Connecting } from './connecting.ts'
import type { MetadataInit } from './metadata.ts'
import { toGrpcMetadata } from './metadata.ts'
import type { MethodsOfKind, Request, ResponseOutput, ServiceName } from './services.ts'
import { methodOf } from './services.ts'
import { fromStatus } from './status.ts'
import { OwnTlsCredentials } from './tls-credentials.ts'
import type { TlsClientOptions } from './tls-socket.ts'

export interface ChannelConfig {
  readonly clock: Clock
  /** Sent with every call. */
  readonly metadata?: MetadataInit
  /** For unary calls that state no own; 30 s when absent. */
  readonly unaryTimeoutMs?: number
  /** Largest response message; 4 MiB when absent. */
  readonly maxReceiveBytes?: number
  /** A ping each so often finds a dead server; 30 s when absent. None is sent over a Unix socket. */
  readonly keepaliveMs?: number
}

export interface TlsChannelConfig extends ChannelConfig, TlsClientOptions {
  /** `host:port`. */
  readonly address: string
}

export interface CallOptions {
  /** Cancels the call; its reason is what the call fails with. */
  readonly signal?: AbortSignal
  /** After so long the call fails with DEADLINE_EXCEEDED; the server is told. */
  readonly timeoutMs?: number
  readonly metadata?: MetadataInit
}

/**
 * Calls to one server over one connection, which is made with the first call and again when it breaks. Failures are MayflyErrors,
 * with the code that the server sent along or the nearest one of the gRPC status; UNAVAILABLE when the server cannot be reached,
 * over TLS also when it does not answer within `reachMs`, or not with a connection within `establishMs`.
 */
export class RpcChannel {
  #client: Client
  readonly #connect: () => Client
  readonly #connecting: Connecting | undefined
  readonly #clock: Clock
  readonly #config: ChannelConfig
  readonly #open = new Set<AbortController>()
  #closed = false

  /** Over a Unix socket, whose owner and mode are the authentication. The kernel tells when the other end is gone: a ping could only find that it is slow, and make it slower by connecting again. */
  static connectUnix(path: string, config: ChannelConfig): RpcChannel {
    return new RpcChannel(`unix:${path}`, credentials.createInsecure(), config, { 'grpc.default_authority': 'localhost', 'grpc.keepalive_time_ms': -1 })
  }

  /** In the clear to an address such as `127.0.0.1:8000`: for the Workload API's `tcp` scheme only (EP-02). */
  static connectPlain(address: string, config: ChannelConfig): RpcChannel {
    return new RpcChannel(address, credentials.createInsecure(), config, {})
  }

  /** Over TLS, with one's own check of the server's chain before anything is sent. */
  static connectTls(config: TlsChannelConfig): RpcChannel {
    const creds = new OwnTlsCredentials(config, () => channel.#connecting?.reached())
    const channel = new RpcChannel(config.address, creds, config, {})
    return channel
  }

  private constructor(target: string, creds: ChannelCredentials, config: ChannelConfig, options: ChannelOptions) {
    this.#config = config
    this.#clock = config.clock
    const all = {
      'grpc.max_receive_message_length': config.maxReceiveBytes ?? 4 * 1024 * 1024,
      'grpc.max_send_message_length': -1, // the server says what is too much
      'grpc.keepalive_time_ms': config.keepaliveMs ?? 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.use_local_subchannel_pool': 1, // closing this channel closes its connection
      'grpc.enable_retries': 0, // whoever calls knows what may be tried twice
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      ...options,
    }
    this.#connect = () => new Client(target, creds, all)
    this.#client = this.#connect()
    if (creds._isSecure()) this.#connecting = new Connecting({ clock: config.clock, address: target, isConnected: () => this.connected, giveUp: (problem) => this.#connectAnew(problem) })
  }

  async unary<S extends ServiceName, M extends MethodsOfKind<S, 'unary'>>(service: S, name: M, request: Request<S, M>, options: CallOptions = {}): Promise<ResponseOutput<S, M>> {
    const method = methodOf(service, name)
    const timeoutMs = options.timeoutMs ?? this.#config.unaryTimeoutMs ?? 30_000
    const scope = this.#scope({ ...options, timeoutMs })
    try {
      return await new Promise((resolve, reject) => {
        const call = this.#client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request as object, this.#metadata(options, timeoutMs), (failure, response) => {
          if (failure === null) resolve(response as ResponseOutput<S, M>) // the method's own deserializer made it
          else reject(fromStatus(failure))
        })
        scope.onAbort((reason) => {
          call.cancel()
          reject(reason)
        })
      })
    } finally {
      scope.end()
    }
  }

  /** Messages as they come; the server waits while the reader does. Leaving the loop cancels the call. */
  serverStream<S extends ServiceName, M extends MethodsOfKind<S, 'serverStream'>>(service: S, name: M, request: Request<S, M>, options: CallOptions = {}): AsyncGenerator<ResponseOutput<S, M>, void, undefined> {
    const method = methodOf(service, name)
    return messagesOf(() => {
      const scope = this.#scope(options)
      return { scope, call: this.#client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request as object, this.#metadata(options, options.timeoutMs)) }
    }) as AsyncGenerator<ResponseOutput<S, M>, void, undefined> // the method's own deserializer made them
  }

  /** Sends what `requests` yields while it gives what comes back. Leaving the loop cancels the call; when `requests` throws, so does the loop. */
  bidi<S extends ServiceName, M extends MethodsOfKind<S, 'bidi'>>(service: S, name: M, requests: AsyncIterable<Request<S, M>>, options: CallOptions = {}): AsyncGenerator<ResponseOutput<S, M>, void, undefined> {
    const method = methodOf(service, name)
    return messagesOf(() => {
      const scope = this.#scope(options)
      const call = this.#client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, this.#metadata(options, options.timeoutMs))
      return { scope, call, sending: { requests: requests as AsyncIterable<object>, call } } // messages of this method
    }) as AsyncGenerator<ResponseOutput<S, M>, void, undefined> // as above
  }

  /** Whether the connection stands now. */
  get connected(): boolean {
    return !this.#closed && this.#client.getChannel().getConnectivityState(false) === connectivityState.READY
  }

  /** Resolves once the connection stands. @throws {MayflyError} DEADLINE_EXCEEDED, UNAVAILABLE when closed; the signal's reason */
  async ready(options: CallOptions = {}): Promise<void> {
    const scope = this.#scope(options)
    const channel = this.#client.getChannel()
    try {
      await new Promise<void>((resolve, reject) => {
        scope.onAbort(reject)
        const look = (): void => {
          const state = channel.getConnectivityState(true)
          if (scope.signal.aborted) return
          if (state === connectivityState.READY) resolve()
          else channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look)
        }
        look()
      })
    } finally {
      scope.end()
    }
  }

  /** Ends calls in progress with UNAVAILABLE and closes the connection. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#connecting?.stop()
    for (const stop of this.#open) stop.abort(closedError())
    this.#client.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** What waits for a connection fails; the next call makes another. */
  #connectAnew(problem: MayflyError): void {
    const before = this.#client
    this.#client = this.#connect()
    for (const stop of this.#open) stop.abort(problem)
    before.close()
  }

  // The deadline is kept by our clock; the header tells the server.
  #metadata(options: CallOptions, timeoutMs: number | undefined): ReturnType<typeof toGrpcMetadata> {
    const metadata = toGrpcMetadata({ ...this.#config.metadata, ...options.metadata })
    if (timeoutMs !== undefined) metadata.set('grpc-timeout', `${Math.max(1, Math.min(Math.round(timeoutMs), 99_999_999))}m`)
    return metadata
  }

  #scope(options: CallOptions): CallScope {
    if (this.#closed) throw closedError()
    options.signal?.throwIfAborted()
    this.#connecting?.begin()
    const stop = new AbortController()
    this.#open.add(stop)
    const forward = (): void => stop.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', forward, { once: true })
    const timer = new AbortController()
    if (options.timeoutMs !== undefined) {
      const { timeoutMs } = options
      this.#clock.sleep(timeoutMs, timer.signal).then(
        () => stop.abort(new MayflyError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`)),
        () => undefined, // the call was over first
      )
    }
    return {
      signal: stop.signal,
      onAbort: (act) => stop.signal.addEventListener('abort', () => act(asError(stop.signal.reason)), { once: true }),
      end: () => {
        timer.abort(callOver) // without a reason Node makes one, with a stack
        options.signal?.removeEventListener('abort', forward)
        this.#open.delete(stop)
      },
    }
  }
}

const callOver = new MayflyError('CANCELLED', 'the call is over')

function closedError(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the channel is closed')
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new MayflyError('CANCELLED', 'the call was cancelled')
}
