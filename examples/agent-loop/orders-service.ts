// An HTTPS service that lets in grants of one workload and nobody else: `orders-service.ts <SPIFFE ID of that workload>`. Ends when its stdin does.
import process from 'node:process'
import { createHttpsServer, parseSpiffeId, peerOf, startRevocationFeed, taskOf, X509Source } from '../../src/client/index.ts'
import type { Order } from './tools.ts'

const [workload = ''] = process.argv.slice(2)
const items: readonly (readonly [string, string])[] = [['ada', 'lamp'], ['ada', 'lamp'], ['bob', 'chair'], ['cyd', 'desk'], ['bob', 'chair']]
const orders: Order[] = items.map(([customer, item], at) => ({ id: at + 1, customer, item }))

const source = await X509Source.start()
const revocation = await startRevocationFeed(source, { class: 'standard' })
await revocation.synced

const server = createHttpsServer(source, { allow: taskOf(parseSpiffeId(workload)), revocation, class: 'standard' }, {}, (request, response) => {
  const id = Number(/^\/orders\/(\d+)$/.exec(request.url ?? '')?.[1])
  const at = orders.findIndex((order) => order.id === id)
  if (request.method === 'DELETE' && at >= 0) orders.splice(at, 1)
  const caller = peerOf(request.socket)
  process.stdout.write(`${JSON.stringify({ event: 'served', method: request.method, url: request.url, caller: caller?.id, left: orders.length })}\n`)
  response.setHeader('content-type', 'application/json').end(JSON.stringify(orders))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${JSON.stringify({ event: 'listening', port: typeof address === 'object' ? address?.port : 0, as: source.current().id })}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()
