import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { connectTlsSocket } from './tls-socket.ts'

export interface TlsClientOptions {
  /** Key and certificate chain to show, asked for at each connection so that they may change; `undefined` shows none. */
  context(): SecureContext
  /** Judges the server by its chain, DER, leaf first, before anything is sent to it. Throws to refuse. */
  verifyPeer(chain: readonly Uint8Array[], socket: Socket): void
}

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

/**
 * Channel credentials with a check of our own in place of Node's. The connector is grpc-js's internal interface: its version is
 * pinned, and `test/rpc/tls.test.ts` holds that a server that is refused receives no byte of a call.
 */
export class OwnTlsCredentials extends ChannelCredentials {
  readonly #options: TlsClientOptions

  constructor(options: TlsClientOptions) {
    super()
    this.#options = options
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(_target: unknown, _options: unknown, callCredentials?: CallCredentials): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await connectTlsSocket(socket, this.#options), secure: true }),
      waitForReady: async () => undefined,
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => undefined,
    }
  }
}
