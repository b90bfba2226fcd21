import type { Socket } from 'node:net'
import { acceptPeer } from '../../src/client/peer.ts'
import type { X509Source } from '../../src/client/x509-source.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { formatStreamPlace, type StreamPlace } from '../../src/core/stream-place.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { listenPlain } from '../../src/rpc/listen-plain.ts'
import { listenTls } from '../../src/rpc/listen-tls.ts'
import { listenUnix, type Listener } from '../../src/rpc/listen-unix.ts'
import type { RpcServer } from '../../src/rpc/server.ts'
import { memberOf } from '../../src/verify/authorize.ts'
import type { RevocationReader } from '../../src/verify/reader.ts'

/** Who reads at a relay: a user of this machine, a member of the trust domain, or whoever reaches a loopback port. Calls are counted by it. */
export interface RelayPeer {
  readonly name: string
}

export interface ListenDeps {
  readonly server: RpcServer<RelayPeer>
  readonly clock: Clock
  readonly log: Logger
  readonly trustDomain: TrustDomain
  /** Shown and judged by where TLS is spoken. */
  readonly source: X509Source | undefined
  readonly reader: RevocationReader
  /** Of the other end of a Unix socket. @throws {MayflyError} UNAUTHENTICATED */
  peerUid(socket: Socket): number
  readonly maxConnections: number
}

/** Takes connections at a place. Over TLS only those of members of the trust domain, whose SVIDs are not revoked as far as is known here. @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT, NO_IDENTITY */
export async function listenAt(place: StreamPlace, deps: ListenDeps): Promise<Listener> {
  const { server, maxConnections } = deps
  switch (place.kind) {
    case 'unix': {
      const onConnection = (socket: Socket): void => admit(socket, deps, () => ({ name: `uid:${deps.peerUid(socket)}` }))
      return await listenUnix(place.path, { mode: 0o777, maxConnections, onConnection, keep: deps })
    }
    case 'plain':
      return await listenPlain({ ...place, maxConnections, onConnection: (socket) => server.inject(socket, { name: 'loopback' }) })
    case 'tls':
      return await listenWithSvid(place, deps)
    default:
      return place satisfies never
  }
}

async function listenWithSvid(place: StreamPlace & { readonly kind: 'tls' }, deps: ListenDeps): Promise<Listener> {
  const { source, reader, trustDomain, maxConnections } = deps
  if (source === undefined) throw new MayflyError('NO_IDENTITY', `no SVID to show at ${formatStreamPlace(place)}`)
  const listener = await listenTls({
    ...place,
    identity: source.current(),
    maxConnections,
    onConnection: (socket, chain) => admit(socket, deps, () => ({ name: acceptPeer(source, { allow: memberOf(trustDomain), revocation: reader }, chain, socket).id })),
  })
  const subscription = source.onUpdate((change) => listener.use(change.kind === 'updated' ? change.svid : undefined))
  const close = async (): Promise<void> => {
    subscription[Symbol.dispose]()
    await listener.close()
  }
  return { address: listener.address, close, [Symbol.asyncDispose]: close }
}

/** Hands a connection on together with who made it, or closes it. */
function admit(socket: Socket, { server, log }: ListenDeps, peerOf: () => RelayPeer): void {
  try {
    server.inject(socket, peerOf())
  } catch (error) {
    log.info({ event: 'relay.refused', code: error instanceof MayflyError ? error.code : 'INTERNAL', cause: String(error) }, 'a connection to this relay was refused')
    socket.on('error', () => undefined).destroy()
  }
}
