// A bare grpc-js server that writes the same bytes to every reader.
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js'
import { elapsedMs } from '../machine.ts'
import type { FromBroadcaster, ToBroadcaster } from './protocol.ts'

const calls = new Set<ServerWritableStream<Buffer, Buffer>>()
const same = (bytes: Buffer): Buffer => bytes
const server = new Server()
server.addService(
  { Read: { path: '/bare/Read', requestStream: false, responseStream: true, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } },
  {
    Read: (call: ServerWritableStream<Buffer, Buffer>) => {
      calls.add(call)
      call.write(Buffer.alloc(0))
    },
  },
)

process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToBroadcaster) => {
  if (message.kind === 'listen') server.bindAsync(`unix:${message.socket}`, ServerCredentials.createInsecure(), () => say({ kind: 'listening' }))
  else {
    const bytes = Buffer.alloc(message.bytes, 1)
    say({ kind: 'sent', atMs: elapsedMs() })
    for (const call of calls) call.write(bytes)
  }
})

function say(message: FromBroadcaster): void {
  process.send?.(message)
}
