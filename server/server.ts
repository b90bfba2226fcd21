import type { MayflyError } from '../src/core/errors.ts'
import type { ServerConfig } from './config.ts'
import type { ServerDeps } from './deps.ts'
import { metricsOf, tracingOf } from './optional.ts'
import { startParts } from './parts.ts'
import { serve } from './serving.ts'
import type { Addresses } from './serving.ts'

/**
 * The server of a trust domain: store, authorities, revocation stream, registry and the services over them, on a Unix socket for administrators and on
 * TLS for agents. Safe to kill at any point: what was not released is abandoned at the next start. A clock that is set back reuses and extends nothing: serials come
 * from the store's counters, expired entries stay expired, and the buckets of the revocation set do not come back.
 */
export class Server implements Addresses, AsyncDisposable {
  readonly address: string
  readonly adminSocket: string
  readonly crlAddress: string | undefined
  readonly metricsAddress: string | undefined
  /** Resolves, with the reason, when this server cannot go on: its store is gone. */
  readonly lost: Promise<MayflyError>
  readonly #held: AsyncDisposableStack

  private constructor(held: AsyncDisposableStack, { address, adminSocket, crlAddress, metricsAddress }: Addresses, lost: Promise<MayflyError>) {
    this.#held = held
    this.lost = lost
    this.address = address
    this.adminSocket = adminSocket
    this.crlAddress = crlAddress
    this.metricsAddress = metricsAddress
  }

  /** Resolves once both listeners take connections. @throws {MayflyError} STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, SOCKET_IN_USE, CONFIG_INVALID, … */
  static async start(config: ServerConfig, given: ServerDeps): Promise<Server> {
    await using starting = new AsyncDisposableStack()
    const metrics = await metricsOf(config, given)
    const deps = metrics === undefined ? given : { ...given, log: starting.use(metrics).log(given.log) }
    const tracing = await tracingOf(config, deps)
    if (tracing !== undefined) starting.use(tracing)
    const parts = await startParts(config, deps, { metrics, tracing }, starting)
    const addresses = await serve(config, deps, parts, { metrics, tracing }, starting)
    const { address, adminSocket } = addresses
    deps.log.info({ event: 'server.serving', address, adminSocket, trustDomain: config.trustDomain, ms: deps.clock.nowMs() - parts.startedAtMs }, 'serving')
    return new Server(starting.move(), addresses, parts.store.lost)
  }

  /** Takes no more connections, lets calls finish for as long as the configuration says, then lets go of everything in turn. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }
}
