import type { Socket } from 'node:net'
import { join } from 'node:path'
import { formatAddress } from '../src/config/fields.ts'
import { LiveConfig } from '../src/config/live.ts'
import { toHex } from '../src/core/bytes.ts'
import type { MayflyError } from '../src/core/errors.ts'
import { serverIdOf } from '../src/core/spiffe-id.ts'
import type { TrustDomain } from '../src/core/spiffe-id.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import { listenTls } from '../src/rpc/listen-tls.ts'
import { listenUnix } from '../src/rpc/listen-unix.ts'
import { both, RpcServer } from '../src/rpc/server.ts'
import type { RpcServerDeps } from '../src/rpc/server.ts'
import { BundleSet } from '../src/verify/bundle-set.ts'
import { Connections, standingOf } from './api/connections.ts'
import type { Caller } from './api/caller.ts'
import { CrlBridge } from './crl/crl-bridge.ts'
import type { PublishedCrl } from './crl/published-crl.ts'
import { CrlFiles, lastCrlNumber } from './crl/crl-files.ts'
import type { CrlFilesDeps } from './crl/crl-files.ts'
import { CrlHttp } from './crl/crl-http.ts'
import { UpstreamLists } from './crl/upstream-lists.ts'
import type { LogLevels } from './api/logger-service.ts'
import { CountedIssuer } from './api/counted-issuer.ts'
import { EntryOperations } from './api/entry-operations.ts'
import { JoinTokens } from './attest/join-token.ts'
import type { NodeAttestor } from './attest/node-attestor.ts'
import { AuthoritySet } from './ca/authorities.ts'
import type { KeyFiles } from './ca/key-store.ts'
import { DownstreamAuthorities } from './ca/downstream.ts'
import { openKeyStore } from './ca/open-key-store.ts'
import { IssuancePipeline } from './ca/pipeline.ts'
import { loadProfiles } from './ca/profiles.ts'
import { StreamKeyCertifier } from './ca/stream-signer.ts'
import { DiskUpstream } from './ca/upstream/disk.ts'
import { upstreamStatus } from './ca/upstream/status.ts'
import type { UpstreamSource } from './ca/upstream/upstream.ts'
import { begin } from './beginning.ts'
import type { Beginning, BeginningDeps } from './beginning.ts'
import { serverSettings } from './config.ts'
import type { ServerConfig } from './config.ts'
import type { ServerLimits } from './limits.ts'
import { Approvals } from './approvals/approvals.ts'
import { Notifications, postJson } from './approvals/notify.ts'
import { Grants } from './grants/grants.ts'
import { Maintenance } from './maintenance.ts'
import type { ServerMetrics } from './metrics.ts'
import type { ServerTracing } from './tracing.ts'
import { Policies } from './policy/policies.ts'
import { Acknowledgements } from './registry/acknowledgements.ts'
import { Registry } from './registry/registry.ts'
import { writeBackup } from './recovery/backup.ts'
import { RollbackWatch } from './revocation/rollback.ts'
import { StreamSigner } from './revocation/stream-signer.ts'
import { RevocationStream } from './revocation/stream.ts'
import { ServerSvid } from './server-svid.ts'
import { addServices } from './services.ts'
import type { Authority, Store } from './store/port.ts'
import { rolledBackError } from './store/rolled-back.ts'
import { VerifierRegistry } from './verifiers/registry.ts'

/** The outside world: the mains give the real one. */
export interface ServerDeps extends BeginningDeps {
  readonly random: Random
  readonly log: Logger
  readonly files: KeyFiles & CrlFilesDeps['files']
  /** Runs the commands of the configuration, and resolves with their exit code. */
  readonly runCommand: (argv: readonly string[], limitMs: number, signal: AbortSignal, input?: string) => Promise<number>
  /** Who connected to an accepted Unix socket. */
  readonly peerCredentials: (socket: Socket) => { readonly uid: number; readonly pid: number }
  readonly ownUid: number
  /** All addresses of a name. */
  readonly resolve: (hostName: string) => Promise<readonly string[]>
  readonly rssBytes: () => number
  readonly version: string
  /** Of the log, which may be set while the server runs. */
  readonly logLevels: LogLevels
  /** Sockets that a service manager handed over: `tls`, `admin`. */
  readonly inherited?: ReadonlyMap<string, number>
  /** The configuration, as it changes while the server runs; unset: it does not. */
  readonly live?: LiveConfig<ServerConfig>
  /** Of the token of the keys, when it came with the environment. */
  readonly tokenPin?: string | undefined
  /** What was begun for this server already. */
  readonly begun?: Beginning
}

const refreshHintSeconds = 300
/** What health checks are told is not served while the server is rolled back; the rest goes on. */
const silentWhenRolledBack = ['spire.api.server.svid.v1.SVID', 'mayfly.v1.RevocationStream']

/**
 * The server of a trust domain: store, authorities, revocation stream, registry and the services over them, on a Unix socket for administrators and on
 * TLS for agents. Safe to kill at any point: what was not released is abandoned at the next start. A clock that is set back reuses and extends nothing: serials come
 * from the store's counters, expired entries stay expired, and the buckets of the revocation set do not come back.
 */
export class Server implements AsyncDisposable {
  /** `host:port` of the TLS listener. */
  readonly address: string
  readonly adminSocket: string
  /** `host:port` of the lists of revoked certificates, when they are served. */
  readonly crlAddress: string | undefined
  /** `host:port` of metrics and probes, when they are served. */
  readonly metricsAddress: string | undefined
  /** Resolves, with the reason, when this server cannot go on: its store is gone. */
  readonly lost: Promise<MayflyError>
  readonly #held: AsyncDisposableStack

  private constructor(held: AsyncDisposableStack, address: string, adminSocket: string, crlAddress: string | undefined, metricsAddress: string | undefined, lost: Promise<MayflyError>) {
    this.#held = held
    this.lost = lost
    this.address = address
    this.adminSocket = adminSocket
    this.crlAddress = crlAddress
    this.metricsAddress = metricsAddress
  }

  /** Resolves once both listeners take connections. @throws {MayflyError} STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, SOCKET_IN_USE, CONFIG_INVALID, … */
  static async start(config: ServerConfig, given: ServerDeps): Promise<Server> {
    const metrics = await metricsOf(config, given)
    const deps = metrics === undefined ? given : { ...given, log: metrics.log(given.log) }
    const { clock, random, log, files } = deps
    const { trustDomain } = config
    const live = deps.live ?? new LiveConfig(config, serverSettings, undefined)
    const limits = (): ServerLimits => live.current.limits
    const startedAtMs = clock.nowMs()
    await using starting = new AsyncDisposableStack()
    if (metrics !== undefined) starting.use(metrics)
    const tracing = await tracingOf(config, deps)
    if (tracing !== undefined) starting.use(tracing)
    const observed = (listener: string): Pick<RpcServerDeps, 'onBegan' | 'onEnded'> => ({ onBegan: tracing?.onBegan(listener), onEnded: both(metrics?.calls(listener), tracing?.onEnded) })

    const profiles = loadProfiles()
    const begun = deps.begun ?? begin(config, deps)
    const slowPath = starting.use(begun.slowPath)
    const pool = starting.use(begun.pool)
    const store = starting.use(await begun.store)
    const keys = starting.use(await openKeyStore(config, deps))
    const [abandoned, registry] = await Promise.all([
      store.credentials.abandonUnreleased(startedAtMs),
      Registry.start({ store, clock, log }),
    ])
    starting.use(registry)
    if (abandoned > 0) log.info({ event: 'credentials.abandoned', count: abandoned }, 'credentials of the run before that may never have left are abandoned')

    const acknowledgements = new Acknowledgements(registry.agents, clock)
    const upstream = config.upstream === undefined ? undefined : new DiskUpstream(config.upstream, { trustDomain, files, clock })
    const authorities = starting.use(
      await AuthoritySet.start(
        { trustDomain, lifeMs: config.authorityTtlMs, keyType: config.keyType, refreshHintSeconds },
        { profiles, store: store.authorities, keys, upstream, clock, random, slowPath, log, acknowledged: (id) => acknowledgements.hasAll(id) },
      ),
    )
    const notePublished = (): void => acknowledgements.published(authorities.all().map(({ id }) => id), Number(authorities.bundle().sequence ?? 0n))
    notePublished()
    authorities.onChange(notePublished)
    live.onReload(() => authorities.reconsiderUpstream()) // the files of an upstream authority may be others now

    const pipeline = starting.use(new IssuancePipeline({ steps: tracing?.steps, profiles, authorities, pool, credentials: store.credentials, clock, random, log }))
    const traced = tracing?.issuer(pipeline) ?? pipeline
    const issuer = new CountedIssuer(metrics?.issuer(traced) ?? traced)
    const certifier = new StreamKeyCertifier(authorities, { profiles, random, clock })
    const certifyStreamKey = async (spki: Uint8Array): Promise<readonly Uint8Array[]> => {
      const seen = await store.recovery.rolledBack()
      if (seen !== undefined) throw rolledBackError(seen) // readers would refuse what it signs, or worse, believe it
      return await certifier.certify(spki)
    }
    const streamSigner = starting.use(StreamSigner.start({ clock, logger: log, certify: certifyStreamKey }))
    certifier.onDistrust((trusted) => streamSigner.replace(trusted))
    const [revocations, svid] = await Promise.all([
      RevocationStream.start({ store, signer: streamSigner, clock, logger: log }),
      ServerSvid.start({ spiffeId: serverIdOf(trustDomain), dnsNames: [], issuer, authorities, clock, log }),
    ])
    starting.use(revocations)
    starting.use(svid)
    starting.use(new Maintenance({ store, clock, log }))
    const bundleSet = bundleSets(authorities)
    const verifiers = starting.use(await VerifierRegistry.start({ store, clock, log, trustDomain, bundles: bundleSet, revocation: revocations, nowMs: () => clock.nowMs(), stream: revocations }))

    const policies = starting.use(await Policies.start(store.policies, log))
    const maxTtlSeconds = profiles.svids.grant.maxTtlMs / 1_000
    const grants = starting.use(await Grants.start({ store, registry, decider: async () => await policies.decider(), issuer, maxTtlSeconds, trustDomain, clock, random, log }))
    const approvals = new Approvals({ trustDomain, store, directory: grants.directory, policies, steps: grants.stepApprovals, log })

    const notifications = starting.use(new Notifications(config.approvals, { clock, log, post: postJson, run: deps.runCommand }))
    grants.onApprovalWanted((notice) => notifications.send(notice))

    const { ours, restored } = pastAuthorities(trustDomain, authorities)
    const rollback = await RollbackWatch.start({ store, stream: revocations, anchors: () => ours().authoritiesOf(trustDomain), clock, log })
    rollback.onFound(() => streamSigner.replace(false))

    const crls = starting.use(new LazyCrls(() => startBridge(config, deps, store, authorities, upstream)))
    const crlAddress = await publishCrls(config, deps, crls, starting)
    const standing = standingOf({ registry, revocation: revocations, clock })
    const connections = starting.use(new Connections({ trustDomain, bundles: bundleSet, restored, revocation: revocations, standing, clock, log }))
    const tlsRpc = drained(starting, new RpcServer<Caller>({ log, clock, ...observed('tls') }, { maxConnections: config.maxConnections }), live)
    const adminRpc = drained(starting, new RpcServer<Caller>({ log, clock, ...observed('admin') }, { maxConnections: 256 }), live)

    const tls = starting.use(
      await listenTls({
        host: config.listen.host,
        port: config.listen.port,
        fd: deps.inherited?.get('tls'),
        identity: svid.identity,
        maxConnections: config.maxConnections,
        onConnection: (socket, chain) => connections.acceptTls(socket, chain, tlsRpc),
      }),
    )
    svid.rotate((identity) => tls.use(identity))

    const adminUids = new Set(config.adminUids)
    const { maxTtlMs, maxDnsNames } = profiles.svids['x509-svid']
    const rules = { trustDomain, maxTtlSeconds: maxTtlMs / 1_000, maxDnsNames, adminUids: config.dev ? new Set<number>() : adminUids }
    const attestors = await attestorsOf(config, deps)
    const joinTokens = new JoinTokens({ store, clock, random, trustDomain })
    const operations = new EntryOperations({ store, clock, grantTimeMs: () => grants.nowMs(), random, log, rules, limits })
    const services = {
      store,
      clock,
      random,
      log,
      trustDomain,
      registry,
      rules,
      operations,
      entries: operations,
      issuer,
      downstream: new DownstreamAuthorities({ trustDomain, profiles, authorities, slowPath, credentials: store.credentials, clock, random, log }),
      joinTokens,
      attestors: [joinTokens, ...attestors],
      limits,
      live,
      get agentSvidTtlMs() {
        return live.current.agentSvidTtlMs
      },
      get x509SvidTtlMs() {
        return live.current.x509SvidTtlMs
      },
      acknowledgements,
      onAcknowledged: () => authorities.reconsider(),
      bundles: authorities,
      authorities,
      crls: () => crls.bridge(),
      isServerKey: (hash: string) => streamSigner.current !== undefined && toHex(streamSigner.current.keyId) === hash,
      revocations,
      verifiers,
      grants,
      policies,
      approvals,
      reevaluate: async (...asked: Parameters<Grants['reevaluate']>) => await grants.reevaluate(...asked),
      grantTimeMs: () => grants.nowMs(),
      svidChain: () => svid.identity.certificateChain,
      logLevels: deps.logLevels,
      launchLevel: config.logLevel,
      standing,
      rollback,
      vouchers: () => authorities.vouchers(),
      upstreamStatus: () => upstreamStatus(authorities, config),
      backUp: async (to: string) => await writeBackup(to, { store, keysFolder: join(config.dataDir, 'keys'), clock, random, version: deps.version }),
      version: deps.version,
      get agentAddress() {
        return live.current.advertise === undefined ? tls.address : formatAddress(live.current.advertise)
      },
      startedAtMs,
      figures: () => ({ csrChecks: issuer.csrChecks, signatures: issuer.signatures, rssBytes: deps.rssBytes(), streamSeq: revocations.head.seq }),
    }
    addServices(tlsRpc, services)
    addServices(adminRpc, services)
    const stopIssuing = (): void => {
      for (const rpc of [tlsRpc, adminRpc]) for (const service of silentWhenRolledBack) rpc.health.set(service, 'NOT_SERVING')
    }
    if (rollback.rolledBack !== undefined) stopIssuing()
    rollback.onFound(stopIssuing)
    // Others than the owner of the process pass the file's mode only when the list names them; the list decides in any case.
    const mode = config.adminUids.some((uid) => uid !== deps.ownUid) ? 0o666 : 0o600
    const admin = starting.use(
      await listenUnix(config.adminSocket, {
        mode,
        fd: deps.inherited?.get('admin'),
        onConnection: (socket) => {
          try {
            connections.acceptLocal(socket, deps.peerCredentials(socket), adminUids, adminRpc)
          } catch (error) {
            log.warn({ event: 'connection.refused', error }, 'no credentials for a connection of the admin socket')
            socket.destroy()
          }
        },
      }),
    )
    const metricsAddress = config.metricsAddress === undefined ? undefined : await metrics?.serve(config.metricsAddress, {
      store,
      registry,
      authorities,
      revocations,
      verifiers,
      rolledBack: () => rollback.rolledBack !== undefined,
      csrChecks: () => issuer.csrChecks,
      svidNotAfterMs: () => svid.notAfterMs,
      crls: () => crls.published,
      listeners: { tls: tlsRpc, admin: adminRpc },
    })
    log.info({ event: 'server.serving', address: tls.address, adminSocket: admin.address, trustDomain, ms: clock.nowMs() - startedAtMs }, 'serving')
    return new Server(starting.move(), tls.address, admin.address, crlAddress, metricsAddress, store.lost)
  }

  /** Takes no more connections, lets calls finish for as long as the configuration says, then lets go of everything in turn. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }
}

/** Lists of revoked certificates, made from the first time on that somebody wants them. */
class LazyCrls implements AsyncDisposable {
  readonly #start: () => Promise<CrlBridge>
  #bridge: Promise<CrlBridge> | undefined
  #started: CrlBridge | undefined

  constructor(start: () => Promise<CrlBridge>) {
    this.#start = start
  }

  /** The lists as they stand; unset while nobody wants any. */
  get published(): readonly PublishedCrl[] | undefined {
    return this.#started?.crls
  }

  async bridge(): Promise<CrlBridge> {
    this.#bridge ??= this.#begin().catch((error: unknown) => {
      this.#bridge = undefined // for the next one who asks
      throw error
    })
    return await this.#bridge
  }

  async #begin(): Promise<CrlBridge> {
    return (this.#started = await this.#start())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#bridge?.catch(() => undefined))?.[Symbol.asyncDispose]() // whoever asked was told
  }
}

/** Loaded only where the configuration asks for it. */
async function metricsOf({ metricsAddress }: ServerConfig, { clock, version }: ServerDeps): Promise<ServerMetrics | undefined> {
  if (metricsAddress === undefined) return undefined
  const { ServerMetrics } = await import('./metrics.ts')
  return new ServerMetrics({ clock, version })
}

/** Likewise. */
async function tracingOf({ tracing, trustDomain }: ServerConfig, { clock, random, log, version }: ServerDeps): Promise<ServerTracing | undefined> {
  if (tracing === undefined) return undefined
  const { ServerTracing } = await import('./tracing.ts')
  return new ServerTracing(tracing, { clock, random, log, version, trustDomain })
}

/** Likewise: the ways for nodes to prove themselves that the configuration asks for. */
async function attestorsOf({ nodeAttestors, trustDomain }: ServerConfig, { clock, random, files, resolve }: ServerDeps): Promise<readonly NodeAttestor[]> {
  if (Object.values(nodeAttestors).every((each) => each === undefined)) return []
  const { chosenAttestors } = await import('./attest/chosen.ts')
  return await chosenAttestors(nodeAttestors, { clock, random, trustDomain, readFileBounded: files.readFileBounded, resolve })
}

async function startBridge({ crl }: ServerConfig, { clock, log, files }: ServerDeps, store: Store, authorities: AuthoritySet, upstream: UpstreamSource | undefined): Promise<CrlBridge> {
  const lastNumber = crl.directory === undefined ? 0n : await lastCrlNumber(crl.directory, files)
  const above = upstream === undefined ? undefined : new UpstreamLists(authorities, upstream)
  return await CrlBridge.start({ store, authorities, above, clock, log, lastNumber })
}

/** Where the configuration names a place for them. Returns the HTTP address, if any. */
async function publishCrls({ crl }: ServerConfig, { clock, log, files, runCommand }: ServerDeps, crls: LazyCrls, starting: AsyncDisposableStack): Promise<string | undefined> {
  if (crl.directory !== undefined) starting.use(await CrlFiles.start({ directory: crl.directory, reload: crl.reload }, await crls.bridge(), { files, run: runCommand, clock, log }))
  return crl.listen === undefined ? undefined : starting.use(await CrlHttp.start(crl.listen, await crls.bridge())).address
}

function drained(stack: AsyncDisposableStack, rpc: RpcServer<Caller>, live: LiveConfig<ServerConfig>): RpcServer<Caller> {
  stack.defer(() => rpc.close(live.current.drainMs))
  return rpc
}

/** Authorities whose word counts for what this server signed in the past, and those that a restore ended and whose agents come back by themselves; each parsed once a change. */
function pastAuthorities(trustDomain: TrustDomain, authorities: AuthoritySet): { readonly ours: () => BundleSet; readonly restored: () => BundleSet } {
  const setOf = (choose: (authority: Authority) => boolean): (() => BundleSet) => {
    let parsed: { readonly of: unknown; readonly set: BundleSet } | undefined
    return () => {
      const all = authorities.all()
      if (parsed?.of !== all) parsed = { of: all, set: BundleSet.of({ trustDomain, x509Authorities: all.filter(choose).map(({ certificate }) => certificate) }) }
      return parsed.set
    }
  }
  return { ours: setOf(({ state }) => state !== 'revoked' && state !== 'tainted'), restored: setOf(({ endedByRestore }) => endedByRestore === 'agents_return') }
}

/** The bundle as the verifier wants it, parsed once a change. */
function bundleSets(authorities: AuthoritySet): () => BundleSet {
  let parsed: { readonly of: unknown; readonly set: BundleSet } | undefined
  return () => {
    const bundle = authorities.bundle()
    if (parsed?.of !== bundle) parsed = { of: bundle, set: BundleSet.of(bundle) }
    return parsed.set
  }
}
