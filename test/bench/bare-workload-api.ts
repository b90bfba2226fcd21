// A bare grpc-js server in a process of its own that answers FetchX509SVID with the message it was sent, to anybody: the limit beside the Workload API. Its socket is its argument.
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { methodsOf } from '../../src/rpc/services.ts'

process.on('disconnect', () => process.exit(0))
process.once('message', (response) => {
  const server = new Server()
  // Each fetch ends in a cancel, of which Node takes 1,000 and then 33 a second: see src/rpc/server.ts.
  Object.assign(Reflect.get(server, 'commonServerOptions') as object, { streamResetBurst: 20_000, streamResetRate: 5_000 }) // as in the pinned grpc-js
  server.addService(Object.fromEntries(methodsOf('SpiffeWorkloadAPI')), { FetchX509SVID: (call: ServerWritableStream<object, unknown>) => void call.write(response) })
  server.bindAsync(`unix:${process.argv[2] ?? ''}`, ServerCredentials.createInsecure(), () => process.send?.('listening'))
})
