import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'

/** Listens on loopback; resolves with the port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // it listens on TCP
}
