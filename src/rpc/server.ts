import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { ConnectionInjector } from '@grpc/grpc-js'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import { CallRunner } from './call-runner.ts'
import type { BeganCall, EndedCall } from './call-runner.ts'
import type { Handlers } from './handlers.ts'
import { Health, healthService } from './health.ts'
import type { RpcLimits } from './limits.ts'
import { defaultLimits } from './limits.ts'
import { PeerTable } from './peer-table.ts'
import { reflectionHandlers, reflectionService } from './reflection.ts'
import { guardResets } from './reset-guard.ts'
import type { ServiceName } from './services.ts'
import { methodsOf } from './services.ts'
import { whenSpoken } from './tolerant-socket.ts'

export interface RpcServerDeps {
  readonly log: Logger
  readonly clock: Clock
  /** Told of each call that begins; it must not throw. */
  readonly onBegan?: ((call: BeganCall) => void) | undefined
  /** Told of each call that ended; it must not throw. */
  readonly onEnded?: ((call: EndedCall) => void) | undefined
}

/** Tells both, of those there are. */
export function both(one: RpcServerDeps['onEnded'], other: RpcServerDeps['onEnded']): RpcServerDeps['onEnded'] {
  if (one === undefined || other === undefined) return one ?? other
  return (call) => {
    one(call)
    other(call)
  }
}

/**
 * A gRPC server that listens nowhere: connections are accepted and authenticated elsewhere and handed in together with their peer,
 * which each handler then gets. Health and reflection are served to every peer.
 */
export class RpcServer<Peer> {
  readonly health: Health
  readonly #grpc: Server
  readonly #injector: ConnectionInjector
  readonly #peers: PeerTable<Peer>
  readonly #runner: CallRunner<Peer>
  readonly #clock: Clock
  readonly #services: ServiceName[] = []
  readonly #unspoken = new Set<Socket>()
  readonly #firstWordMs: number
  #closing: Promise<void> | undefined

  constructor(deps: RpcServerDeps, limits: Partial<RpcLimits> = {}) {
    const bounds = { ...defaultLimits, ...limits }
    this.#clock = deps.clock
    guardResets()
    this.#firstWordMs = Math.min(10_000, bounds.maxIdleMs)
    this.#grpc = new Server({
      'grpc.max_receive_message_length': bounds.maxReceiveBytes,
      'grpc.max_send_message_length': bounds.maxSendBytes,
      'grpc.max_concurrent_streams': bounds.maxConcurrentCalls,
      'grpc.max_connection_idle_ms': bounds.maxIdleMs,
      'grpc.keepalive_time_ms': bounds.keepaliveMs,
      'grpc.keepalive_timeout_ms': bounds.keepaliveTimeoutMs,
      'grpc.enable_channelz': 0,
    })
    bound(this.#grpc)
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure()) // what is injected is authenticated already
    this.#peers = new PeerTable(bounds.maxConnections)
    this.#runner = new CallRunner(deps, this.#peers, bounds)
    this.health = new Health()
    this.add(healthService, this.health.handlers)
    this.add(reflectionService, reflectionHandlers(() => this.#services))
  }

  /** Serves a service; methods without a handler answer UNIMPLEMENTED. Before or after the first connection. */
  add<S extends ServiceName>(service: S, handlers: Handlers<S, Peer>): void {
    const methods = methodsOf(service)
    this.#grpc.addService(Object.fromEntries(methods), this.#runner.implementationOf(methods, handlers))
    this.#services.push(service)
    this.health.set(service, 'SERVING')
  }

  /** Takes over a connection whose peer is known. It is closed at once when there are too many or the server is closing. */
  inject(socket: Duplex, peer: Peer): void {
    if (this.#closing !== undefined || !this.#peers.admit(socket, peer)) {
      socket.destroy()
      return
    }
    if (socket instanceof Socket && !(socket instanceof TLSSocket)) this.#whenSpoken(socket)
    else this.#injector.injectConnection(socket)
  }

  /** A client speaks first in HTTP/2: one that doesn't is closed, and how it begins decides how it is taken. */
  #whenSpoken(socket: Socket): void {
    const spoken = new AbortController()
    this.#unspoken.add(socket)
    const done = (): void => {
      this.#unspoken.delete(socket)
      spoken.abort()
    }
    socket.once('close', done)
    this.#clock.sleep(this.#firstWordMs, spoken.signal).then(
      () => socket.destroy(),
      () => undefined, // it has spoken, or gone
    )
    whenSpoken(socket, (connection) => {
      done()
      this.#injector.injectConnection(connection)
    })
  }

  /** Open connections. */
  get connections(): number {
    return this.#peers.size
  }

  /** Calls in progress. */
  get calls(): number {
    return this.#runner.size
  }

  /** Cuts every connection whose peer is chosen; its calls end with it. Returns how many. */
  disconnect(choose: (peer: Peer) => boolean): number {
    return this.#peers.destroyWhere(choose)
  }

  /** Takes no more connections or calls, ends streams with SHUTTING_DOWN, lets unary calls finish for `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void> {
    return (this.#closing ??= this.#drain(graceMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0)
  }

  async #drain(graceMs: number): Promise<void> {
    this.health.shutDown()
    this.#runner.endStreams(new MayflyError('SHUTTING_DOWN', 'the server is shutting down'))
    for (const socket of this.#unspoken) socket.destroy()
    const over = new AbortController()
    const drained = Promise.all([this.#runner.idle(), this.#peers.empty()])
    this.#injector.destroy() // stops the listener and asks each connection to go away once its calls are done
    await Promise.race([drained, this.#clock.sleep(graceMs, over.signal).catch(() => undefined)])
    over.abort()
    this.#peers.destroyWhere(() => true)
    this.#grpc.forceShutdown()
    await drained
  }
}

/**
 * grpc-js has no option for these, and Node's own bound on cancelled calls (1,000 at once, then 33 a second on one connection) is
 * reached by a workload that fetches in a loop: each such fetch ends in a cancel. Read when the injector is made.
 */
function bound(server: Server): void {
  const options: unknown = Reflect.get(server, 'commonServerOptions')
  if (typeof options !== 'object' || options === null) throw new MayflyError('INTERNAL', 'grpc-js keeps its HTTP/2 options elsewhere than in the pinned version')
  Object.assign(options, { streamResetBurst: 20_000, streamResetRate: 5_000, maxHeaderListPairs: 64 })
}
