import type { Socket } from 'node:net'
import type { Server } from '@grpc/grpc-js'
import { ServerCredentials } from '@grpc/grpc-js'
import { PeerTable } from './peer-table.ts'

/** Connections that are handed to somebody's own grpc-js server, each with its peer. */
export class InjectedConnections<Peer> {
  readonly #peers: PeerTable<Peer>
  readonly #inject: (socket: Socket) => void

  constructor(server: Server, maxConnections: number) {
    this.#peers = new PeerTable(maxConnections)
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure()) // what is injected is authenticated already
    this.#inject = (socket) => injector.injectConnection(socket)
  }

  /** Closed at once when there are too many. */
  inject(socket: Socket, peer: Peer): void {
    if (this.#peers.admit(socket, peer)) this.#inject(socket)
    else socket.destroy()
  }

  /** Whose call it is; `undefined` for a call over a connection that was not handed in here. */
  peerOf(call: { getPeer(): string }): Peer | undefined {
    return this.#peers.find(call)?.peer
  }

  /** Cuts all connections. */
  destroy(): void {
    this.#peers.destroyWhere(() => true)
  }
}

export type { ChannelCredentials, Server as GrpcServer } from '@grpc/grpc-js'
