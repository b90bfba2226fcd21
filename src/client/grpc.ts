import type { ChannelCredentials, GrpcServer } from '../rpc/injected.ts'
import { InjectedConnections } from '../rpc/injected.ts'
import { listenTls } from '../rpc/listen-tls.ts'
import { OwnTlsCredentials } from '../rpc/tls-credentials.ts'
import type { AcceptedSvid } from '../verify/verify-svid.ts'
import type { PeerTerms } from './peer.ts'
import { acceptPeer } from './peer.ts'
import { contextOf } from './tls-identity.ts'
import type { X509Source } from './x509-source.ts'

/** Credentials for a grpc-js client: the identity in force at each connection, and no call before the server is accepted. */
export function grpcChannelCredentials(source: X509Source, terms: PeerTerms): ChannelCredentials {
  return new OwnTlsCredentials({
    context: () => contextOf(source),
    verifyPeer: (chain, socket) => void acceptPeer(source, terms, chain, socket),
  })
}

export interface GrpcListener extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  /** Who calls: for handlers, with the `call` that grpc-js gives them. */
  peerOf(call: { getPeer(): string }): AcceptedSvid | undefined
  /** Takes no more connections; the server is closed by its owner. */
  close(): Promise<void>
}

export interface GrpcListenOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Connections at once; 10,000 when absent. */
  readonly maxConnections?: number
}

/**
 * Gives a grpc-js server the accepted connections of a TLS port: in place of `bindAsync`, because grpc-js's server credentials can judge
 * clients only by a pool of roots. The certificate follows the source. @throws {MayflyError} NO_IDENTITY, SOCKET_IN_USE
 */
export async function listenGrpc(server: GrpcServer, source: X509Source, terms: PeerTerms, options: GrpcListenOptions): Promise<GrpcListener> {
  const connections = new InjectedConnections<AcceptedSvid>(server, options.maxConnections ?? 10_000)
  const listener = await listenTls({
    ...options,
    identity: source.current(),
    onConnection: (socket, chain) => {
      try {
        source.current()
        connections.inject(socket, acceptPeer(source, terms, chain, socket))
      } catch {
        socket.destroy() // who was refused, and why, is in the log
      }
    },
  })
  const subscription = source.onUpdate((change) => listener.use(change.kind === 'updated' ? change.svid : undefined))
  const close = async (): Promise<void> => {
    subscription[Symbol.dispose]()
    await listener.close()
  }
  return { address: listener.address, peerOf: (call) => connections.peerOf(call), close, [Symbol.asyncDispose]: close }
}
