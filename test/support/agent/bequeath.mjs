// Connects to a socket, hands the connection to a child as descriptor 3, and lives on until killed. Arguments: socket.
// The child speaks HTTP/2 on what it inherited: it opens FetchX509SVID, says {"event":"data"} for each message, and at each line on its
// standard input opens another; it says {"event":"end","status"} when one ends and {"event":"closed"} when the connection does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

if (process.argv[2] === 'heir') {
  const session = connectHttp2('http://localhost', { createConnection: () => new Socket({ fd: 3 }) })
  session.on('error', () => {})
  session.on('close', () => say({ event: 'closed' }))
  const ask = () => {
    if (session.closed || session.destroyed) {
      say({ event: 'end', status: 'closed' })
      return
    }
    const request = session.request({ ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', 'content-type': 'application/grpc', te: 'trailers', 'workload.spiffe.io': 'true' })
    let status = 'cut'
    request.on('data', () => say({ event: 'data' }))
    request.on('response', (headers) => (status = headers['grpc-status'] ?? status))
    request.on('trailers', (headers) => (status = headers['grpc-status'] ?? status))
    request.on('error', () => {})
    request.on('close', () => say({ event: 'end', status }))
    request.end(Buffer.alloc(5))
  }
  ask()
  for await (const _ of createInterface({ input: process.stdin })) ask()
} else {
  const socket = new Socket()
  socket.pause()
  socket.connect(process.argv[2])
  await once(socket, 'connect')
  const child = spawn(process.execPath, [new URL(import.meta.url).pathname, 'heir'], { stdio: ['pipe', 'inherit', 'inherit', socket], detached: true })
  say({ event: 'bequeathed', heir: child.pid })
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'die') process.kill(process.pid, 'SIGKILL')
    child.stdin.write(`${line}\n`)
  }
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
