/** Package export "mayfly/client": a workload's identity, kept current, for Node's tls, https, http2, for undici and for grpc-js. Runs on Node 20 and newer with nothing native. */
import { env } from 'node:process'
import { systemClock } from '../system/clock.ts'
import { readFileBounded, writeFileAtomic } from '../system/files.ts'
import { systemRandom } from '../system/random.ts'
import type { HeadStore } from '../verify/heads.ts'
import { headStoreIn } from '../verify/heads.ts'
import type { ClientDeps } from './deps.ts'
import { quiet } from './deps.ts'
import { requestGrant as askForGrant, withGrant as workWithGrant } from './grant.ts'
import type { GrantRequestOptions, GrantWish, TaskGrant } from './grant.ts'
import type { WorkloadApiConfig } from './workload-api.ts'
import { WorkloadApi as Api } from './workload-api.ts'
import type { X509SourceConfig } from './x509-source.ts'
import { X509Source as Source } from './x509-source.ts'

/** The real clock and generator, no log, and the environment of this process. */
const systemDeps: ClientDeps = { clock: systemClock, random: systemRandom, log: quiet, env }

export type X509Source = Source
/** `X509Source.start({…})`: a workload's own X.509-SVID and bundles, always the latest. */
export const X509Source: { start(config?: X509SourceConfig, deps?: Partial<ClientDeps>): Promise<Source> } = {
  start: (config = {}, deps = {}) => Source.start(config, { ...systemDeps, ...deps }),
}

export type WorkloadApi = Api
/** `WorkloadApi.connect({…})`: the calls of the standard, one by one. */
export const WorkloadApi: { connect(config?: WorkloadApiConfig, deps?: Partial<ClientDeps>): Api } = {
  connect: (config = {}, deps = {}) => Api.connect(config, { ...systemDeps, ...deps }),
}

/** Asks for a grant and binds it to this process: `await using grant = await requestGrant({ as, do: ['write'], on: ['db:orders'], reason })`. Its signal aborts when it ends. */
export async function requestGrant(wish: GrantWish, options: GrantRequestOptions = {}, deps: Partial<ClientDeps> = {}): Promise<TaskGrant> {
  return await askForGrant(wish, options, { ...systemDeps, ...deps })
}

/** The same around a piece of work: `await withGrant({ as, do: ['write'], on: ['db:orders'], reason }, async (grant) => …)`. It ends as completed when the work resolves, and as failed when it throws. */
export async function withGrant<T>(wish: GrantWish, work: (grant: TaskGrant) => Promise<T>, options: GrantRequestOptions = {}, deps: Partial<ClientDeps> = {}): Promise<T> {
  return await workWithGrant(wish, options, work, { ...systemDeps, ...deps })
}

/** Keeps the highest head of the revocation stream in a file of mode 0600, replaced whole. One for each process: for `startRevocationFeed({ heads })`. */
export function fileHeadStore(path: string): HeadStore {
  return headStoreIn({ read: (maxBytes) => readFileBounded(path, maxBytes), write: (content) => writeFileAtomic(path, content) })
}

export type { ClientDeps } from './deps.ts'
export { ConnectionGuard, guardOf } from './connection-guard.ts'
export type { GrantRequestOptions, GrantWish, StepDecision, TaskGrant } from './grant.ts'
export { grpcChannelCredentials, listenGrpc, type GrpcListener, type GrpcListenOptions } from './grpc.ts'
export { acceptPeer, peerOf, type PeerTerms } from './peer.ts'
export { startRevocationFeed, type RevocationFeedOptions, type RevocationFeedSource } from './revocation.ts'
export { connectHttp2, connectTls, SpiffeAgent, type TlsTarget } from './tls-client.ts'
export { createHttp2Server, createHttpsServer, createTlsServer, protect, tlsServerOptions } from './tls-server.ts'
export { undiciConnector, type UndiciConnect, type UndiciConnectOptions, type UndiciTarget } from './undici.ts'
export type { Update } from './watch.ts'
export type { WatchOptions, WorkloadApiConfig } from './workload-api.ts'
export type { X509Context } from './x509-context.ts'
export type { SourceEvent, X509SourceConfig } from './x509-source.ts'
export { X509Svid } from './x509-svid.ts'
export { parseEndpoint, type Endpoint } from '../core/endpoint.ts'
export * from '../verify/index.ts'
