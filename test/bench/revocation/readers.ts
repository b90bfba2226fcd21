// Bare grpc-js readers of a broadcast, each with a connection of its own: the limit beside the benchmark of revocation latency. They take the bytes and do nothing with them.
import { Client, credentials } from '@grpc/grpc-js'
import { elapsedMs } from '../machine.ts'
import type { FromReaders, ToReaders } from './protocol.ts'

/** At once; a Unix socket's queue of connections is short. */
const together = 20
let times: number[] = []

process.on('disconnect', () => process.exit(0))
process.on('message', ({ socket, count }: ToReaders) => void readAll(socket, count))

async function readAll(socket: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += together) await Promise.all(Array.from({ length: Math.min(together, count - at) }, async () => read(socket, count)))
  say({ kind: 'reading' })
}

/** Resolves with the first message, which is empty. */
async function read(socket: string, count: number): Promise<void> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const call = client.makeServerStreamRequest('/bare/Read', (bytes: Buffer) => bytes, (bytes: Buffer) => bytes, Buffer.alloc(0))
  await new Promise<void>((resolve) => {
    call.on('error', (error) => {
      console.error(error)
      process.exit(1)
    })
    call.on('data', (bytes: Buffer) => {
      if (bytes.length === 0) return resolve()
      times.push(elapsedMs())
      if (times.length < count) return
      say({ kind: 'received', atMs: times })
      times = []
    })
  })
}

function say(message: FromReaders): void {
  process.send?.(message)
}
