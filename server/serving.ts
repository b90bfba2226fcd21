import { listenTls } from '../src/rpc/listen-tls.ts'
import type { TlsListener } from '../src/rpc/listen-tls.ts'
import { listenUnix } from '../src/rpc/listen-unix.ts'
import type { UnixListener } from '../src/rpc/listen-unix.ts'
import { both, RpcServer } from '../src/rpc/server.ts'
import type { Caller } from './api/caller.ts'
import { Admins } from './api/admins.ts'
import { Connections, standingOf } from './api/connections.ts'
import type { ServerConfig } from './config.ts'
import { publishCrls } from './crl/lazy-crls.ts'
import type { ServerDeps } from './deps.ts'
import type { Observers, ServerParts } from './parts.ts'
import { serviceDeps } from './service-deps.ts'
import { addServices } from './services.ts'

/** Where a server is reached. */
export interface Addresses {
  /** `host:port` of the TLS listener. */
  readonly address: string
  readonly adminSocket: string
  /** `host:port` of the lists of revoked certificates, when they are served. */
  readonly crlAddress: string | undefined
  /** `host:port` of metrics and probes, when they are served. */
  readonly metricsAddress: string | undefined
}

const maxAdminConnections = 256
/** What health checks are told is not served while the server is rolled back; the rest goes on. */
const silentWhenRolledBack = ['spire.api.server.svid.v1.SVID', 'mayfly.v1.RevocationStream']

/** Opens the listeners over the parts: TLS first, whose address services tell, the admin socket when all is there to answer. @throws {MayflyError} SOCKET_IN_USE, CONFIG_INVALID */
export async function serve(config: ServerConfig, deps: ServerDeps, parts: ServerParts, observers: Observers, held: AsyncDisposableStack): Promise<Addresses> {
  const { clock, log } = deps
  const { registry, revocations, bundles, restored, svid, rollback } = parts
  const crlAddress = await publishCrls(config, deps, parts.crls, held)
  const admins = new Admins({ rootUids: config.adminUids, named: config.admins })
  const standing = standingOf({ registry, revocation: revocations, admins, clock })
  const connections = held.use(new Connections({ trustDomain: config.trustDomain, bundles, restored, revocation: revocations, standing, clock, log }))
  const rpcOf = (listener: string, maxConnections: number): RpcServer<Caller> => {
    const { metrics, tracing } = observers
    const rpc = new RpcServer<Caller>({ log, clock, onBegan: tracing?.onBegan(listener), onEnded: both(metrics?.calls(listener), tracing?.onEnded) }, { maxConnections })
    held.defer(async () => await rpc.close(parts.live.current.drainMs))
    return rpc
  }
  const rpcs = { tls: rpcOf('tls', config.maxConnections), admin: rpcOf('admin', maxAdminConnections) }

  const tls = held.use(await openTls(config, deps, parts, (socket, chain) => connections.acceptTls(socket, chain, rpcs.tls)))
  svid.rotate((identity) => tls.use(identity))

  const services = await serviceDeps(config, deps, parts, { standing, admins, listeningOn: tls.address })
  for (const rpc of Object.values(rpcs)) addServices(rpc, services)
  const stopIssuing = (): void => {
    for (const { health } of Object.values(rpcs)) for (const service of silentWhenRolledBack) health.set(service, 'NOT_SERVING')
  }
  if (rollback.rolledBack !== undefined) stopIssuing()
  rollback.onFound(stopIssuing)

  const admin = held.use(await openAdmin(config, deps, admins, connections, rpcs.admin))
  const metricsAddress = config.metricsAddress === undefined ? undefined : await observers.metrics?.serve(config.metricsAddress, {
    store: parts.store,
    storeHealth: parts.storeHealth,
    registry,
    authorities: parts.authorities,
    revocations,
    verifiers: parts.verifiers,
    rolledBack: () => rollback.rolledBack !== undefined,
    csrChecks: () => parts.issuer.csrChecks,
    svidNotAfterMs: () => svid.notAfterMs,
    crls: () => parts.crls.published,
    listeners: rpcs,
  })
  return { address: tls.address, adminSocket: admin.address, crlAddress, metricsAddress }
}

async function openTls({ listen, maxConnections }: ServerConfig, { inherited }: ServerDeps, { svid }: ServerParts, onConnection: Parameters<typeof listenTls>[0]['onConnection']): Promise<TlsListener> {
  return await listenTls({ host: listen.host, port: listen.port, fd: inherited?.get('tls'), identity: svid.identity, maxConnections, onConnection })
}

async function openAdmin({ adminSocket }: ServerConfig, { clock, inherited, ownUid, peerCredentials, log }: ServerDeps, admins: Admins, connections: Connections, rpc: RpcServer<Caller>): Promise<UnixListener> {
  return await listenUnix(adminSocket, {
    keep: { clock, log },
    // Others than the owner of the process pass the file's mode only when the list names them; the list decides in any case.
    mode: admins.uids.some((uid) => uid !== ownUid) ? 0o666 : 0o600,
    fd: inherited?.get('admin'),
    onConnection: (socket) => {
      try {
        connections.acceptLocal(socket, peerCredentials(socket), admins, rpc)
      } catch (error) {
        log.warn({ event: 'connection.refused', error }, 'no credentials for a connection of the admin socket')
        socket.destroy()
      }
    },
  })
}
