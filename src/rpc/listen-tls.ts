import { createServer } from 'node:tls'
import type { Server, TLSSocket } from 'node:tls'
import { MayflyError } from '../core/errors.ts'
import { listenBacklog } from './listen-unix.ts'
import type { Listener } from './listen-unix.ts'
import { peerChain } from './peer-chain.ts'
import { secureContextOptions } from './tls-context.ts'
import type { TlsIdentity } from './tls-context.ts'

export interface TlsListenOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** A socket that listens already, handed over by a service manager; host and port are its own then. */
  readonly fd?: number | undefined
  readonly identity: TlsIdentity
  /** Connections at once; further ones are closed. */
  readonly maxConnections?: number
  /** 10 s when absent. */
  readonly handshakeTimeoutMs?: number
  /** Gets each connection after its handshake with the chain that the peer showed, DER, leaf first, empty when it showed none. Nothing of it is verified: that is the receiver's part. */
  onConnection(socket: TLSSocket, chain: readonly Uint8Array[]): void
}

export interface TlsListener extends Listener {
  /** Shows another certificate to the connections that come; without one their handshakes fail. */
  use(identity: TlsIdentity | undefined): void
}

/**
 * Ends TLS for HTTP/2: certificates are asked for and not required, sessions are not resumed, so that each connection is checked.
 * @throws {MayflyError} SOCKET_IN_USE
 */
export async function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  const server = createServer({
    ...secureContextOptions(options.identity),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: options.handshakeTimeoutMs ?? 10_000,
    noDelay: true,
  })
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  server.on('tlsClientError', (_failure, socket) => socket.destroy()) // Node leaves a handshake that timed out open
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined) // the 'close' that follows is what counts
    if (socket.alpnProtocol !== 'h2') socket.destroy()
    else options.onConnection(socket, peerChain(socket))
  })
  await listening(server, options)
  const close = async (): Promise<void> => void server.close()
  return {
    address: addressOf(server),
    use: (identity) => server.setSecureContext(secureContextOptions(identity)),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listening(server: Server, { host, port, fd }: TlsListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (failure) => reject(new MayflyError('SOCKET_IN_USE', `cannot listen on ${host}:${port}: ${failure.message}`, { cause: failure })))
    const done = (): void => {
      server.on('error', () => undefined) // an accept that fails concerns that connection only
      resolve()
    }
    if (fd === undefined) server.listen({ host, port, backlog: listenBacklog }, done)
    else server.listen({ fd }, listenBacklog, done)
  })
}

function addressOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new MayflyError('INTERNAL', 'a TLS listener without address')
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}
