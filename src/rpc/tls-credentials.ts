import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { connectTlsSocket } from './tls-socket.ts'
import type { TlsClientOptions } from './tls-socket.ts'

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
