// Holds a connection to the Workload API that its parent made, as descriptor 3. On SIGUSR2 it asks for SVIDs over it; says
// {"event":"ready"}, {"event":"message"} for what comes on the stream, and {"event":"closed"}.
import { Socket } from 'node:net'
import { FrameReader, frameTypes, oneCall } from './http2-frames.ts'

const socket = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
socket.on('error', () => undefined)
socket.on('data', (bytes: Buffer) => {
  for (const frame of reader.take(bytes)) if (frame.stream === 1 && frame.type === frameTypes.data) say({ event: 'message', bytes: frame.payload.length })
})
socket.on('close', () => say({ event: 'closed' }))
process.on('SIGUSR2', () => {
  if (socket.destroyed) say({ event: 'closed' })
  else socket.write(oneCall('/SpiffeWorkloadAPI/FetchX509SVID'))
})
process.stdout.on('error', () => undefined)
setInterval(() => undefined, 60_000)
say({ event: 'ready' })

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
