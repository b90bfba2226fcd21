import type { Socket } from 'node:net'
import type { AgentStatus } from '../../proto/generated/mayfly/v1/AgentStatus.ts'
import type { Reloadable } from '../../src/config/live.ts'
import { reloadLogged } from '../../src/config/reload.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import type { UnixListener } from '../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import type { Attestation } from '../attest/attestation.ts'
import type { Processes } from '../attest/ports.ts'
import { DelegateServer, maxDelegateConnections } from '../delegated-identity/delegate-server.ts'
import { delegatedIdentity } from '../delegated-identity/service.ts'
import type { DelegationDeps } from '../delegated-identity/service.ts'
import type { Notifier } from '../notifier.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import { debugInfo } from './debug.ts'
import { agentStatus } from './status.ts'
import type { StatusSources } from './status.ts'
import { explain } from './explain.ts'

export interface AdminListenerConfig {
  readonly socketPath: string
  /** That socket, when a service manager handed it over. */
  readonly fd?: number | undefined
  /** Who may connect; root may always. */
  readonly uids: readonly number[]
  /** Nobody but this process's own uid: the file keeps the others out as well. */
  readonly onlyOwn: boolean
  readonly drainMs: number
}

export interface AdminListenerDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly processes: Processes
  /** Waits, within bounds, for the agent to have its identity. @throws {MayflyError} UNAVAILABLE */
  sources(signal: AbortSignal): Promise<StatusSources>
  /** The facts of a process that need not have connected. @throws {MayflyError} NOT_FOUND, PLATFORM_UNSUPPORTED */
  attestPid(pid: number): Promise<Attestation>
  readonly live: Reloadable
  /** Whatever the status shows has changed. */
  readonly changed: Notifier<void>
  readonly delegation: DelegationDeps
}

interface AdminPeer {
  readonly uid: number
  /** Who it is as a workload: only where there were delegates when it connected. */
  readonly connection: WorkloadConnection | undefined
}

/** A watcher hears of changes no more often than this. */
const watchPauseMs = 100
/** … and at least this often, for what changes without an event, such as ages. */
const watchLongestMs = 1_000

const maxAdminConnections = 256

/**
 * The agent's admin socket: for the people who run it, by their uid. Where the configuration names delegates, any user may connect,
 * and whoever is no admin reaches DelegatedIdentity and nothing else.
 */
export class AdminListener implements AsyncDisposable {
  readonly #config: AdminListenerConfig
  readonly #deps: AdminListenerDeps
  readonly #server: RpcServer<AdminPeer>
  readonly #delegates: DelegateServer
  readonly #delegatesChanged: Disposable
  #listener: UnixListener | undefined

  private constructor(config: AdminListenerConfig, deps: AdminListenerDeps) {
    this.#config = config
    this.#deps = deps
    this.#server = new RpcServer<AdminPeer>(deps, { maxConnections: maxAdminConnections, maxReceiveBytes: 65_536 })
    this.#server.add('mayfly.v1.AgentAdmin', this.#handlers())
    this.#server.add('mayfly.v1.Settings', this.#settings())
    this.#server.add('spire.agent.debug.v1.Debug', this.#debug())
    this.#server.add('spire.api.agent.delegatedidentity.v1.DelegatedIdentity', delegatedIdentity<AdminPeer>(deps.delegation, ({ connection }) => connection))
    this.#delegates = new DelegateServer(deps.delegation)
    this.#delegatesChanged = deps.delegation.delegates.changed.on(() => this.#permit())
  }

  /** @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT */
  static async start(config: AdminListenerConfig, deps: AdminListenerDeps): Promise<AdminListener> {
    const admin = new AdminListener(config, deps)
    admin.#listener = await listenUnix(config.socketPath, { mode: admin.#mode, fd: config.fd, keep: deps, maxConnections: maxAdminConnections + maxDelegateConnections, onConnection: (socket) => admin.#accept(socket) })
    return admin
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#delegatesChanged[Symbol.dispose]()
    await this.#listener?.close()
    await Promise.all([this.#server.close(this.#config.drainMs), this.#delegates.close(this.#config.drainMs)])
  }

  /** Whether the configuration names any. */
  get #hasDelegates(): boolean {
    return this.#deps.delegation.delegates.ids.size > 0
  }

  /** Lets any uid of the list connect, and delegates; what they reach is decided when they have. */
  get #mode(): number {
    return this.#config.onlyOwn && !this.#hasDelegates ? 0o600 : 0o666
  }

  #permit(): void {
    try {
      this.#listener?.permit(this.#mode)
    } catch (error) {
      this.#deps.log.error({ event: 'admin.unpermitted', cause: String(error) }, 'the mode of the admin socket cannot be changed')
    }
  }

  #accept(socket: Socket): void {
    try {
      const { uid, pid } = this.#deps.processes.peerCredentials(socket)
      if (uid === 0 || this.#config.uids.includes(uid)) {
        this.#server.inject(socket, { uid, connection: this.#hasDelegates ? this.#delegates.attested(socket) : undefined })
        return
      }
      if (this.#hasDelegates) {
        this.#delegates.accept(socket)
        return
      }
      this.#deps.log.warn({ event: 'admin.refused', uid, pid }, 'this uid may not use the admin socket')
    } catch (error) {
      this.#deps.log.warn({ event: 'admin.refused', cause: String(error) }, 'a connection to the admin socket could not be identified')
    }
    socket.on('error', () => undefined).destroy()
  }

  #debug(): Handlers<'spire.agent.debug.v1.Debug', AdminPeer> {
    const startedAtBootMs = this.#deps.clock.bootMs()
    return {
      GetInfo: async (_, { signal }) => {
        const { clock } = this.#deps
        return debugInfo(await this.#deps.sources(signal), clock.nowMs(), clock.bootMs() - startedAtBootMs)
      },
    }
  }

  #handlers(): Handlers<'mayfly.v1.AgentAdmin', AdminPeer> {
    return {
      Status: async (_, { signal }) => agentStatus(await this.#deps.sources(signal)),
      ExplainProcess: async ({ pid }, { signal }) => {
        if (!Number.isInteger(pid) || pid <= 0) throw new MayflyError('INVALID_ARGUMENT', 'a pid is a positive number')
        return explain(await this.#deps.attestPid(pid), (await this.#deps.sources(signal)).entries.all.values(), this.#deps.clock.nowMs())
      },
      WatchStatus: (_, { signal }) => this.#watch(signal),
    }
  }

  #settings(): Handlers<'mayfly.v1.Settings', AdminPeer> {
    return {
      Reload: async (_, { peer }) => {
        const { applied, waiting } = reloadLogged(this.#deps.live, `uid:${peer.uid}`, this.#deps.log)
        return { applied: [...applied], waiting: [...waiting] }
      },
    }
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<AgentStatus, void, undefined> {
    const wake = new Wake()
    const sources = await this.#deps.sources(signal)
    using _ = this.#deps.changed.on(() => wake.ring())
    while (!signal.aborted) {
      yield agentStatus(sources)
      await this.#deps.clock.sleep(watchPauseMs, signal)
      await heardWithin(wake, watchLongestMs, this.#deps.clock, signal)
    }
  }
}
