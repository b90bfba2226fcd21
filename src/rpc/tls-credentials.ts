import type { Socket } from 'node:net'
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
  readonly #onReached: () => void

  /** @param onReached TCP stands, and TLS begins */
  constructor(options: TlsClientOptions, onReached: () => void = () => undefined) {
    super()
    this.#options = options
    this.#onReached = onReached
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(_target: unknown, _options: unknown, callCredentials?: CallCredentials): SecureConnector {
    const shaking = new Set<Socket>()
    return {
      connect: async (socket) => {
        this.#onReached()
        shaking.add(socket)
        try {
          return { socket: await connectTlsSocket(socket, this.#options), secure: true }
        } finally {
          shaking.delete(socket)
        }
      },
      waitForReady: async () => undefined,
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => {
        for (const socket of shaking) socket.destroy() // grpc-js would leave it to the other end
      },
    }
  }
}
