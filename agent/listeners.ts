import { MayflyError } from '../src/core/errors.ts'
import { both } from '../src/rpc/server.ts'
import { AdminListener } from './api/admin-listener.ts'
import type { StatusSources } from './api/status.ts'
import { WorkloadAttestor } from './attest/attestor.ts'
import { Caller } from './attest/caller.ts'
import { CheckListener } from './check/http-listener.ts'
import type { AgentConfig } from './config.ts'
import type { DelegationDeps } from './delegated-identity/service.ts'
import type { AgentDeps } from './deps.ts'
import type { AgentMetrics } from './metrics.ts'
import type { AgentParts } from './parts.ts'
import type { AgentTracing } from './tracing.ts'
import { WorkloadListener } from './workload-api/listener.ts'
import type { X509StreamsDeps } from './workload-api/x509-streams.ts'

export interface ListenersDeps {
  readonly serverAddress: string
  readonly metrics: AgentMetrics | undefined
  readonly tracing: AgentTracing | undefined
}

/** How long a workload's first call waits for the first sync. */
const syncWaitMs = 5_000
const maxIdleMs = 120_000

/** The sockets of an agent: Workload API, checks, administration; and metrics, where the configuration asks for them. What they serve is looked up in the parts when somebody asks. */
export class Listeners implements AsyncDisposable {
  readonly #config: AgentConfig
  readonly #deps: AgentDeps
  readonly #parts: AgentParts
  readonly #more: ListenersDeps
  readonly #open: AsyncDisposable[]
  #metricsAddress: string | undefined

  private constructor(config: AgentConfig, deps: AgentDeps, parts: AgentParts, more: ListenersDeps) {
    this.#config = config
    this.#deps = deps
    this.#parts = parts
    this.#more = more
    this.#open = more.metrics === undefined ? [] : [more.metrics]
  }

  /** @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT */
  static async start(config: AgentConfig, deps: AgentDeps, parts: AgentParts, more: ListenersDeps): Promise<Listeners> {
    const listeners = new Listeners(config, deps, parts, more)
    try {
      await listeners.#listen()
    } catch (error) {
      await listeners[Symbol.asyncDispose]()
      throw error
    }
    return listeners
  }

  /** `host:port` of metrics and probes, when they are served. */
  get metricsAddress(): string | undefined {
    return this.#metricsAddress
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map(async (listener) => await listener[Symbol.asyncDispose]()))
  }

  async #listen(): Promise<void> {
    const workloads = this.#kept(await this.#workloads())
    await this.#measure(workloads)
    const { clock, log, processes, inherited } = this.#deps
    const { check, checkTerms } = this.#parts
    this.#kept(await CheckListener.start(this.#config.checkSocket, { check, processes, clock, log, checkTerms, fd: inherited?.get('check') }))
    this.#kept(await this.#admin())
  }

  #kept<T extends AsyncDisposable>(listener: T): T {
    this.#open.push(listener)
    return listener
  }

  async #workloads(): Promise<WorkloadListener> {
    const { workloadSocket, maxConnections, drainMs } = this.#config
    const { metrics, tracing } = this.#more
    const { relay, check, checkTerms, reports, progress } = this.#parts
    return await WorkloadListener.start(
      { socketPath: workloadSocket, fd: this.#deps.inherited?.get('workload'), maxConnections, maxIdleMs, drainMs },
      { ...this.#serving(), onBegan: tracing?.onBegan('workload'), onEnded: both(metrics?.calls('workload'), tracing?.onEnded), relay, check, checkTerms, reports, grants: () => progress.joined.grants },
    )
  }

  async #admin(): Promise<AdminListener> {
    const { adminSocket, adminUids, onlyOwnAdmin, drainMs } = this.#config
    const { clock, log, processes, inherited } = this.#deps
    const { changed, live, delegates } = this.#parts
    return await AdminListener.start(
      { socketPath: adminSocket, fd: inherited?.get('admin'), uids: adminUids, onlyOwn: onlyOwnAdmin, drainMs },
      {
        clock,
        log,
        processes,
        changed,
        live,
        sources: async (signal) => await this.#statusSources(signal),
        attestPid: async (pid) => await this.#attestPid(pid),
        delegation: { ...this.#serving(), delegates },
      },
    )
  }

  async #measure(workloads: WorkloadListener): Promise<void> {
    const { metricsAddress } = this.#config
    const { metrics } = this.#more
    const { entries, relay, progress } = this.#parts
    if (metricsAddress === undefined || metrics === undefined) return
    this.#metricsAddress = await metrics.serve(metricsAddress, { entries, relay, isSynced: () => progress.isSynced, member: () => progress.member, workloads })
  }

  /** What all need that hand out identities. */
  #serving(): Omit<DelegationDeps, 'delegates'> {
    const { clock, log } = this.#deps
    const { admission, connections, progress } = this.#parts
    return { clock, log, admission, connections, notSynced: progress.notSynced, syncWaitMs, x509: () => this.#streams() }
  }

  #streams(): X509StreamsDeps {
    const { entries, federation, progress } = this.#parts
    const { trust, svids, holders, identities, crls } = progress.joined
    return {
      clock: this.#deps.clock,
      entries,
      svids,
      identities,
      crls,
      trust,
      federation,
      hold: (entryId, { caller }) => {
        svids.hold(entryId)
        holders.hold(entryId, caller)
      },
    }
  }

  async #statusSources(signal: AbortSignal): Promise<StatusSources> {
    const { clock, version, bindingTier } = this.#deps
    const { entries, relay, progress } = this.#parts
    const giveUpAtBootMs = clock.bootMs() + syncWaitMs
    while (progress.member === undefined) {
      if (clock.bootMs() > giveUpAtBootMs) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet', { hint: 'its log says what it waits for' })
      await clock.sleep(50, signal)
    }
    const { trust, connection, svids, holders, grants } = progress.member
    return { version, serverAddress: this.#more.serverAddress, workloadSocket: this.#config.workloadSocket, dataDir: this.#config.dataDir, bindingTier, trust, connection, entries, svids, holders, relay, grants, rssBytes: () => this.#deps.rssBytes() }
  }

  async #attestPid(pid: number): ReturnType<WorkloadAttestor['attest']> {
    const { processes } = this.#deps
    const { sources, entries } = this.#parts
    using caller = Caller.named(pid, processes)
    const lenient = new WorkloadAttestor(processes, { sha256MaxBytes: this.#config.sha256MaxBytes, tier: 'pid', sources })
    return await lenient.attest(caller, entries.kinds)
  }
}
