import type { Socket } from 'node:net'
import { MayflyError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import type { Listener } from '../../src/rpc/listen-unix.ts'
import type { QuotaTerms } from '../../src/rpc/quota.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import type { RpcServerDeps } from '../../src/rpc/server.ts'
import { verifierService } from '../check/service.ts'
import type { GrantKeeper } from '../grants/keeper.ts'
import { grantsService } from '../grants/service.ts'
import type { SvidCheck } from '../check/svid-check.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import { relaysService, reportService, streamService, type RelayServing } from '../relay/services.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import { synced, workloadApi } from './service.ts'
import type { WorkloadApiDeps } from './service.ts'
import { WorkloadConnection } from './workload-connection.ts'
import type { WorkloadConnectionDeps } from './workload-connection.ts'

export interface WorkloadListenerConfig {
  readonly socketPath: string
  /** That socket, when a service manager handed it over. */
  readonly fd?: number | undefined
  readonly maxConnections: number
  /** A connection without a call for so long is closed; clients connect again by themselves. */
  readonly maxIdleMs: number
  readonly drainMs: number
}

export interface WorkloadListenerDeps extends WorkloadApiDeps {
  readonly log: Logger
  readonly onBegan?: RpcServerDeps['onBegan']
  readonly onEnded?: RpcServerDeps['onEnded']
  readonly connections: WorkloadConnectionDeps
  readonly relay: RevocationRelay
  readonly check: SvidCheck
  readonly checkTerms: QuotaTerms
  readonly reports: VerifierReports
  /** Unset: this socket serves no grants. */
  readonly grants?: () => GrantKeeper
}

/** How long the streams of a connection that is over have to say so before it is cut. */
const farewellMs = 250
/** The Workload API takes no request of any size. */
const maxReceiveBytes = 65_536
const maxCallsPerConnection = 100

/** The socket of the Workload API: who connects is found out before a byte is read, and each call reads the facts again. */
export class WorkloadListener implements AsyncDisposable {
  readonly #config: WorkloadListenerConfig
  readonly #deps: WorkloadListenerDeps
  readonly #server: RpcServer<WorkloadConnection>
  readonly #stop = new AbortController()
  #listener: Listener | undefined

  private constructor(config: WorkloadListenerConfig, deps: WorkloadListenerDeps) {
    this.#config = config
    this.#deps = deps
    this.#server = new RpcServer<WorkloadConnection>(deps, {
      maxReceiveBytes,
      maxConnections: config.maxConnections,
      maxConcurrentCalls: maxCallsPerConnection,
      maxIdleMs: config.maxIdleMs,
    })
    this.#server.add('SpiffeWorkloadAPI', workloadApi(deps))
    const serving: RelayServing<WorkloadConnection> = { relay: deps.relay, reports: deps.reports, admit: ({ caller, processKey }) => deps.admission.stream(caller.uid, processKey) }
    this.#server.add('mayfly.v1.RevocationStream', streamService(serving))
    this.#server.add('mayfly.v1.Verifier', verifierService(deps.check, deps.clock, deps.checkTerms))
    this.#server.add('mayfly.v1.VerifierReports', reportService(serving))
    this.#server.add('mayfly.v1.Relays', relaysService(serving))
    if (deps.grants !== undefined) this.#server.add('mayfly.v1.Grants', grantsService(deps.grants, deps.admission, async (signal) => await synced(deps, signal)))
  }

  /** @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT */
  static async start(config: WorkloadListenerConfig, deps: WorkloadListenerDeps): Promise<WorkloadListener> {
    const api = new WorkloadListener(config, deps)
    api.#listener = await listenUnix(config.socketPath, { mode: 0o777, fd: config.fd, keep: deps, maxConnections: config.maxConnections, onConnection: (socket) => api.#accept(socket) })
    return api
  }

  get connections(): number {
    return this.#server.connections
  }

  /** Calls in progress. */
  get calls(): number {
    return this.#server.calls
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#listener?.close()
    await this.#server.close(this.#config.drainMs)
  }

  #accept(socket: Socket): void {
    const { admission, connections, log } = this.#deps
    let connection: WorkloadConnection
    try {
      connection = WorkloadConnection.of(socket, connections)
    } catch (error) {
      const code = error instanceof MayflyError ? error.code : 'INTERNAL'
      log.info({ event: 'workload.refused', code, cause: String(error) }, 'a connection could not be attested')
      socket.on('error', () => undefined).destroy()
      return
    }
    const { caller, processKey } = connection
    const place = admission.connection(caller.uid, processKey)
    if (place === undefined) {
      log.warn({ event: 'workload.refused', code: 'LIMIT_EXCEEDED', uid: caller.uid, pid: caller.pid }, 'a process or its user has too many connections')
      connection[Symbol.dispose]()
      socket.on('error', () => undefined).destroy()
      return
    }
    socket.once('close', () => {
      place[Symbol.dispose]()
      connection[Symbol.dispose]()
    })
    connection.over.addEventListener('abort', () => void this.#farewell(socket), { once: true })
    this.#server.inject(socket, connection)
  }

  async #farewell(socket: Socket): Promise<void> {
    if (socket.destroyed) return
    await this.#deps.clock.sleep(farewellMs, this.#stop.signal).catch(() => undefined) // only aborts
    socket.destroy()
  }
}
