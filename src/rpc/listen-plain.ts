import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { MayflyError } from '../core/errors.ts'
import type { Listener } from './listen-unix.ts'

export interface PlainListenOptions {
  /** A loopback address, which is the caller's to see to. */
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Connections at once; further ones are closed. */
  readonly maxConnections: number
  onConnection(socket: Socket): void
}

/** Listens on TCP in the clear, for processes of this machine. @throws {MayflyError} SOCKET_IN_USE */
export async function listenPlain({ host, port, maxConnections, onConnection }: PlainListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: false, noDelay: true }, onConnection)
  server.maxConnections = maxConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (failure) => reject(new MayflyError('SOCKET_IN_USE', `cannot listen on ${host}:${port}: ${failure.message}`, { cause: failure })))
    server.listen({ host, port }, resolve)
  })
  server.on('error', () => undefined) // an accept that fails concerns that connection only
  const address = server.address()
  if (address === null || typeof address === 'string') throw new MayflyError('INTERNAL', 'a TCP listener without address')
  const close = async (): Promise<void> => void server.close()
  return { address: address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`, close, [Symbol.asyncDispose]: close }
}
