// Opens many connections and holds them until it is killed. Argument, JSON: {"path"} or {"address"}, "count", and "send" for what each says.
// Says {"event":"open","count","refused"} once each was made or refused, and {"event":"closed","count"} whenever all have been closed.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const options = JSON.parse(process.argv[2] ?? '{}') as { path?: string; address?: string; tls?: boolean; count: number; send?: string } // our own test wrote it
let open = 0
let closed = 0
for (let at = 0; at < options.count; at += 50) await Promise.all(Array.from({ length: Math.min(50, options.count - at) }, one))
console.log(JSON.stringify({ event: 'open', count: open, refused: closed }))

function one(): Promise<void> {
  return new Promise((resolve) => {
    const socket = dial()
    let full = false
    socket.on('error', (failure: NodeJS.ErrnoException) => (full = failure.code === 'EAGAIN')) // its queue is full: once more, a little later
    socket.once(options.tls === true ? 'secureConnect' : 'connect', () => {
      open++
      if (options.send !== undefined) socket.write(Buffer.from(options.send, 'base64'))
      resolve()
    })
    socket.once('close', () => {
      if (full) {
        setTimeout(() => void one().then(resolve), 20)
        return
      }
      closed++
      resolve()
      if (closed === options.count) console.log(JSON.stringify({ event: 'closed', count: closed }))
    })
    socket.resume()
  })
}

function dial(): Socket {
  if (options.path !== undefined) return connect(options.path)
  const [host = '', port = ''] = (options.address ?? '').split(/:(?=\d+$)/)
  return options.tls === true ? connectTls({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] }) : connect(Number(port), host)
}
