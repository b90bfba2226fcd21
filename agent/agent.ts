import { LiveConfig } from '../src/config/live.ts'
import { MayflyError } from '../src/core/errors.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import type { StreamHead } from '../src/core/revocation/follower.ts'
import type { BundleSet } from '../src/verify/bundle-set.ts'
import type { QuotaTerms } from '../src/rpc/quota.ts'
import { both } from '../src/rpc/server.ts'
import { HeadKeeper, headStoreIn } from '../src/verify/heads.ts'
import type { HeadStore } from '../src/verify/heads.ts'
import { AdminListener } from './api/admin-listener.ts'
import type { StatusSources } from './api/status.ts'
import { WorkloadAttestor } from './attest/attestor.ts'
import type { BindingTier } from './attest/binding.ts'
import { Caller } from './attest/caller.ts'
import { Docker } from './attest/docker.ts'
import type { FactSource } from './attest/fact-source.ts'
import type { ExitWatch, Processes } from './attest/ports.ts'
import { CheckListener } from './check/http-listener.ts'
import { OwnVerifier } from './check/own-verifier.ts'
import { SvidCheck } from './check/svid-check.ts'
import { agentSettings } from './config.ts'
import type { AgentConfig } from './config.ts'
import { AuthorizedDelegates } from './delegated-identity/authorized-delegates.ts'
import type { GrantKeeper } from './grants/keeper.ts'
import { grantsFolder, startNodeGrants } from './grants/node-grants.ts'
import type { GrantSystem } from './grants/ports.ts'
import type { AgentMetrics } from './metrics.ts'
import type { AgentTracing } from './tracing.ts'
import { ProcessHolders } from './liveness/process-holders.ts'
import { Notifier } from './notifier.ts'
import { measureClock } from './relay/measure-clock.ts'
import { NewestHead } from './relay/newest-head.ts'
import { relayIdBytes, RevocationRelay } from './relay/revocation-relay.ts'
import { VerifierReports } from './relay/verifier-reports.ts'
import { SvidStanding } from './rotation/standing.ts'
import { SvidCache } from './rotation/svid-cache.ts'
import { AgentState } from './sync/agent-state.ts'
import type { StateFiles } from './sync/state-files.ts'
import { ServerConnection } from './sync/connection.ts'
import { CrlFeed } from './sync/crl-feed.ts'
import { EntryCache } from './sync/entry-cache.ts'
import { entranceOf, join } from './sync/joining.ts'
import type { Entrance, Joined } from './sync/joining.ts'
import { Admission } from './workload-api/admission.ts'
import { Identities } from './workload-api/identities.ts'
import { WorkloadListener } from './workload-api/listener.ts'
import type { WorkloadConnectionDeps } from './workload-api/workload-connection.ts'
import type { X509StreamsDeps } from './workload-api/x509-streams.ts'

export interface AgentDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of the data folder. */
  readonly files: StateFiles
  readFile(path: string): Promise<string>
  readonly processes: Processes
  readonly exitWatch: ExitWatch
  /** What this host's kernel offers. */
  readonly bindingTier: BindingTier
  readonly version: string
  /** What grants need of this host. */
  readonly grants: GrantSystem
  rssBytes(): number
  /** Sockets that a service manager handed over: `workload`, `check`, `admin`. */
  readonly inherited?: ReadonlyMap<string, number>
  /** The configuration, as it changes while the agent runs; unset: it does not. */
  readonly live?: LiveConfig<AgentConfig>
}

/** In the data folder. */
const headFile = 'revocation-head.json'
const newestFile = 'revocation-newest.json'
const retry = { leastMs: 100, mostMs: 5_000 }
const signRetry = { leastMs: 250, mostMs: 15_000 }
const expiryLookMs = 1_000
const holderPollMs = 1_000
/** How long a workload's first call waits for the first sync. */
const syncWaitMs = 5_000
const maxSleepMs = 10_000
const maxIdleMs = 120_000

/**
 * The node agent. Its sockets listen as soon as it starts; joining the server and the first sync go on behind them, and the first
 * calls wait for that.
 */
export class Agent implements AsyncDisposable {
  readonly #config: AgentConfig
  readonly #deps: AgentDeps
  readonly #live: LiveConfig<AgentConfig>
  readonly #entrance: Entrance
  readonly #state: AgentState
  readonly #stop = new AbortController()
  readonly #entries = new EntryCache()
  readonly #sources: readonly FactSource[]
  readonly #attestor: WorkloadAttestor
  readonly #relay: RevocationRelay
  readonly #heads: HeadKeeper
  readonly #newest: NewestHead
  readonly #reports = new VerifierReports()
  readonly #admission: Admission
  readonly #check: SvidCheck
  readonly #own: OwnVerifier
  readonly #checkTerms: QuotaTerms
  readonly #delegates: AuthorizedDelegates
  readonly #connections: WorkloadConnectionDeps
  readonly #changed = new Notifier<void>()
  readonly #synced = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<MayflyError>()
  readonly #background: Promise<void>[] = []
  #member: Member | undefined
  #isSynced = false
  #workloads: WorkloadListener | undefined
  #admin: AdminListener | undefined
  #checks: CheckListener | undefined
  readonly #metrics: AgentMetrics | undefined
  #metricsAddress: string | undefined
  readonly #tracing: AgentTracing | undefined

  private constructor(config: AgentConfig, deps: AgentDeps, entrance: Entrance, state: AgentState, heads: HeadStore, highest: StreamHead | undefined, newest: NewestHead, metrics: AgentMetrics | undefined, tracing: AgentTracing | undefined) {
    this.#tracing = tracing
    this.#newest = newest
    this.#metrics = metrics
    this.#config = config
    this.#deps = deps
    const live = (this.#live = deps.live ?? new LiveConfig(config, agentSettings, undefined))
    this.#entrance = entrance
    this.#state = state
    this.#sources = [new Docker(config.containerSockets, deps)]
    this.#attestor = new WorkloadAttestor(deps.processes, { sha256MaxBytes: config.sha256MaxBytes, tier: config.bindingTier, sources: this.#sources })
    this.#relay = new RevocationRelay(
      { get maxReaders() { return live.current.maxVerifiers }, maxFrames: 4_096, id: deps.random.bytes(relayIdBytes) },
      {
        clock: deps.clock,
        log: deps.log,
        anchors: () => (this.#member === undefined ? [] : this.#member.trust.bundles.authoritiesOf(this.#member.trust.trustDomain)),
        wantSnapshot: () => this.#member?.connection.fetchSnapshot(),
        askTime: async (nonces) => {
          if (this.#member === undefined) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet')
          return await this.#member.connection.signerTime(nonces)
        },
        newest,
        ...(highest === undefined ? {} : { highest }),
      },
    )
    const { trustDomain } = entrance.place
    this.#heads = new HeadKeeper({ heads, trustDomain, clock: deps.clock, logger: deps.log, highest: () => this.#relay.reader.highest })
    this.#relay.changed.on(() => this.#heads.moved())
    this.#relay.readersChanged.on((readers) => (this.#reports.readers = readers))
    this.#admission = new Admission({
      get connectionsPerUid() { return live.current.maxConnectionsPerUid },
      get connectionsPerProcess() { return Math.min(live.current.maxConnectionsPerUid, 1_000) },
      get streamsPerUid() { return live.current.maxStreamsPerUid },
      get streamsPerProcess() { return live.current.maxStreamsPerProcess },
    })
    this.#own = new OwnVerifier({ class: 'available', software: `mayfly agent ${deps.version}` }, { clock: deps.clock, random: deps.random, log: deps.log, relay: this.#relay, reports: this.#reports, svid: () => this.#member?.connection.svid })
    this.#check = new SvidCheck({ clock: deps.clock, bundles: () => this.#bundles(), revocations: this.#relay.reader, used: (serial) => this.#own.used(serial) })
    this.#checkTerms = { get perSecond() { return live.current.checksPerSecond }, get burst() { return 2 * live.current.checksPerSecond } }
    this.#delegates = new AuthorizedDelegates(config.authorizedDelegates)
    live.onChange(({ authorizedDelegates }) => this.#delegates.replace(authorizedDelegates))
    this.#connections = { processes: deps.processes, exitWatch: deps.exitWatch, attestor: this.#attestor, tier: config.bindingTier, needs: () => this.#entries.kinds }
  }

  /** Resolves once the sockets listen. @throws {MayflyError} SOCKET_IN_USE, AGENT_NOT_ATTESTED, AGENT_EXPIRED, CONFIG_INVALID */
  static async start(config: AgentConfig, given: AgentDeps): Promise<Agent> {
    const metrics = await metricsOf(config, given)
    const deps = metrics === undefined ? given : { ...given, log: metrics.log(given.log) }
    const state = new AgentState(deps.files, config.keyStorage)
    const entrance = await entranceOf(config, { ...deps, state })
    const heads = headStoreIn({ read: (maxBytes) => deps.files.read(headFile, maxBytes), write: (content) => deps.files.write(headFile, content) })
    const { trustDomain } = entrance.place
    const newest = await NewestHead.load({ file: { read: (maxBytes) => deps.files.read(newestFile, maxBytes), write: (content) => deps.files.write(newestFile, content) }, trustDomain, clock: deps.clock, log: deps.log })
    const agent = new Agent(config, deps, entrance, state, heads, await heads.load(trustDomain), newest, metrics, await tracingOf(config, deps))
    try {
      await agent.#listen()
    } catch (error) {
      await agent[Symbol.asyncDispose]()
      throw error
    }
    agent.#background.push(agent.#join(), agent.#expire(), measureClock({ ...deps, relay: agent.#relay, canAsk: () => agent.#isSynced }, agent.#stop.signal))
    return agent
  }

  /** Resolves, with the reason, when this agent cannot go on: it was not let in, or not any more. */
  get lost(): Promise<MayflyError> {
    return this.#lost.promise
  }

  /** Resolves once the entries of this agent are known. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** `host:port` of metrics and probes, when they are served. */
  get metricsAddress(): string | undefined {
    return this.#metricsAddress
  }

  get trustDomain(): string {
    return this.#entrance.place.trustDomain
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await Promise.all([this.#workloads?.[Symbol.asyncDispose](), this.#admin?.[Symbol.asyncDispose](), this.#checks?.[Symbol.asyncDispose](), this.#metrics?.[Symbol.asyncDispose]()])
    await Promise.all(this.#background)
    await this.#tracing?.[Symbol.asyncDispose]()
    await this.#own[Symbol.asyncDispose]()
    await this.#member?.grants[Symbol.asyncDispose]()
    await this.#member?.crls[Symbol.asyncDispose]()
    await this.#member?.connection[Symbol.asyncDispose]()
    await this.#heads[Symbol.asyncDispose]()
    await this.#newest[Symbol.asyncDispose]()
    if (this.#member === undefined) return
    await this.#member.svids[Symbol.asyncDispose]()
    await this.#member.holders[Symbol.asyncDispose]()
  }

  async #listen(): Promise<void> {
    const { clock, log, processes } = this.#deps
    const config = this.#config
    const live = this.#live
    const checkTerms = this.#checkTerms
    const check = this.#check
    this.#workloads = await WorkloadListener.start(
      { socketPath: config.workloadSocket, fd: this.#deps.inherited?.get('workload'), maxConnections: config.maxConnections, maxIdleMs, drainMs: config.drainMs },
      {
        clock,
        log,
        onBegan: this.#tracing?.onBegan('workload'),
        onEnded: both(this.#metrics?.calls('workload'), this.#tracing?.onEnded),
        admission: this.#admission,
        relay: this.#relay,
        check,
        checkTerms,
        reports: this.#reports,
        connections: this.#connections,
        grants: () => this.#grants(),
        notSynced: () => (this.#isSynced ? undefined : this.#synced.promise),
        syncWaitMs,
        x509: () => this.#streams(),
      },
    )
    await this.#measure(this.#workloads)
    this.#checks = await CheckListener.start(config.checkSocket, { check, processes, clock, log, checkTerms, fd: this.#deps.inherited?.get('check') })
    this.#admin = await AdminListener.start(
      { socketPath: config.adminSocket, fd: this.#deps.inherited?.get('admin'), uids: config.adminUids, onlyOwn: config.onlyOwnAdmin, drainMs: config.drainMs },
      {
        clock,
        log,
        processes,
        changed: this.#changed,
        sources: (signal) => this.#statusSources(signal),
        attestPid: (pid) => this.#attestPid(pid),
        live,
        delegation: {
          clock,
          log,
          admission: this.#admission,
          connections: this.#connections,
          delegates: this.#delegates,
          notSynced: () => (this.#isSynced ? undefined : this.#synced.promise),
          syncWaitMs,
          x509: () => this.#streams(),
        },
      },
    )
  }

  async #measure(workloads: WorkloadListener): Promise<void> {
    if (this.#config.metricsAddress === undefined) return
    this.#metricsAddress = await this.#metrics?.serve(this.#config.metricsAddress, { entries: this.#entries, relay: this.#relay, isSynced: () => this.#isSynced, member: () => this.#member, workloads })
  }

  async #join(): Promise<void> {
    const { log } = this.#deps
    try {
      const joined = await join(this.#entrance, { ...this.#deps, state: this.#state }, this.#stop.signal)
      if (this.#stop.signal.aborted) return
      this.#member = await this.#becomeMember(joined)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      log.error({ event: 'agent.not_joined', cause: String(error) }, 'this agent could not join its server')
      this.#lost.resolve(error instanceof MayflyError ? error : new MayflyError('INTERNAL', 'joining failed', { cause: error }))
      return
    }
    this.#follow(this.#member.connection).catch(() => undefined) // neither promise rejects
  }

  async #follow(connection: ServerConnection): Promise<void> {
    this.#lost.resolve(connection.lost)
    await connection.synced
    this.#isSynced = true
    this.#synced.resolve()
  }

  async #becomeMember({ trust, svid }: Joined): Promise<Member> {
    const { clock, random, log, exitWatch, processes } = this.#deps
    const entries = this.#entries
    const relay = this.#relay
    const live = this.#live
    const standing = new SvidStanding(trust, relay.reader, clock, log)
    const grants = await startNodeGrants(grantsFolder(this.#config.dataDir), this.#config.probes, {
      clock, random, log, files: this.#deps.files, system: this.#deps.grants, trust, relay, reports: this.#reports, standing, check: this.#check, checkTerms: this.#checkTerms, admission: this.#admission, connections: this.#connections,
      connection: () => connection,
    })
    const connection: ServerConnection = ServerConnection.start(
      { address: this.#entrance.place.address, agentVersion: this.#deps.version, retry, signWaitMs: 1_000 },
      { clock, random, log, trust, entries, relay, reports: this.#reports, state: this.#state, grants, life: grants.life },
      svid,
    )
    const svids = SvidCache.start(
      { get maxSvids() { return live.current.maxSvids }, get keyType() { return live.current.svidKeyType }, maxBatch: 250, retry: signRetry, maxSleepMs },
      { clock, random, log, signer: this.#tracing?.signer(connection) ?? connection, standing: (held) => standing.of(held), ended: (serials) => connection.reportEnded(serials) },
    )
    const holders = ProcessHolders.start({ pollMs: holderPollMs }, { exitWatch, processes, clock, log, onLastExit: (entryId) => svids.lastExit(entryId) })
    const identities = new Identities(entries, svids, clock)
    const crls = new CrlFeed({ clock, random, log, entries, open: (signal) => connection.crls(signal) })
    entries.changed.on((ids) => {
      svids.replaceEntries(entries.all)
      for (const id of ids) if (!entries.all.has(id)) holders.release(id)
      this.#changed.emit()
    })
    trust.changed.on(() => svids.recheck())
    relay.changed.on(() => svids.recheck())
    svids.changed.on(() => this.#changed.emit())
    connection.changed.on(() => {
      if (connection.connectedSinceMs !== undefined) svids.resume()
      this.#own.identityChanged()
      this.#changed.emit()
    })
    return { trust, connection, svids, holders, identities, crls, grants }
  }

  #grants(): GrantKeeper {
    if (this.#member === undefined) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet')
    return this.#member.grants
  }

  #bundles(): BundleSet {
    if (this.#member === undefined) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet')
    return this.#member.trust.bundles
  }

  #streams(): X509StreamsDeps {
    if (this.#member === undefined) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet')
    const { trust, svids, holders, identities, crls } = this.#member
    return {
      clock: this.#deps.clock,
      entries: this.#entries,
      svids,
      identities,
      crls,
      trust,
      hold: (entryId, { caller }) => {
        svids.hold(entryId)
        holders.hold(entryId, caller)
      },
    }
  }

  async #statusSources(signal: AbortSignal): Promise<StatusSources> {
    const { clock } = this.#deps
    const giveUpAtBootMs = clock.bootMs() + syncWaitMs
    while (this.#member === undefined) {
      if (clock.bootMs() > giveUpAtBootMs) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet', { hint: 'its log says what it waits for' })
      await clock.sleep(50, signal)
    }
    const { trust, connection, svids, holders, grants } = this.#member
    return {
      version: this.#deps.version,
      serverAddress: this.#entrance.place.address,
      workloadSocket: this.#config.workloadSocket,
      bindingTier: this.#deps.bindingTier,
      trust,
      connection,
      entries: this.#entries,
      svids,
      holders,
      relay: this.#relay,
      grants,
      rssBytes: () => this.#deps.rssBytes(),
    }
  }

  async #attestPid(pid: number): ReturnType<WorkloadAttestor['attest']> {
    using caller = Caller.named(pid, this.#deps.processes)
    const lenient = new WorkloadAttestor(this.#deps.processes, { sha256MaxBytes: this.#config.sha256MaxBytes, tier: 'pid', sources: this.#sources })
    return await lenient.attest(caller, this.#entries.kinds)
  }

  /** Entries with an end of their own go on time, also while the server is away. */
  async #expire(): Promise<void> {
    const { clock } = this.#deps
    while (!this.#stop.signal.aborted) {
      await clock.sleep(expiryLookMs, this.#stop.signal).catch(() => undefined) // only aborts
      this.#entries.expire(clock.nowMs())
    }
  }
}

/** Loaded only where the configuration asks for it. */
async function tracingOf({ tracing }: AgentConfig, { clock, random, log, version }: AgentDeps): Promise<AgentTracing | undefined> {
  if (tracing === undefined) return undefined
  const { AgentTracing } = await import('./tracing.ts')
  return new AgentTracing(tracing, { clock, random, log, version })
}

/** Likewise. */
async function metricsOf({ metricsAddress }: AgentConfig, { clock, version }: AgentDeps): Promise<AgentMetrics | undefined> {
  if (metricsAddress === undefined) return undefined
  const { AgentMetrics } = await import('./metrics.ts')
  return new AgentMetrics({ clock, version })
}

/** What an agent has once it belongs to a server. */
interface Member {
  readonly trust: Joined['trust']
  readonly connection: ServerConnection
  readonly svids: SvidCache
  readonly holders: ProcessHolders
  readonly identities: Identities
  readonly crls: CrlFeed
  readonly grants: GrantKeeper
}
