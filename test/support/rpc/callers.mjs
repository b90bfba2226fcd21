// Calls mayfly.v1.Status/Get over several connections to a Unix socket at once, with nothing but node:http2, and prints how
// often the answer named this very process and connection. argv: socket, connections, calls per connection
import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'

const [, , path, connections, calls] = process.argv
let right = 0
const wrong = []

async function call(session, tag) {
  const stream = session.request({ ':method': 'POST', ':path': '/mayfly.v1.Status/Get', 'content-type': 'application/grpc', te: 'trailers', tag })
  stream.end(Buffer.alloc(5))
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  const answer = Buffer.concat(chunks).toString('latin1')
  if (answer.includes(`<${process.pid}:${process.getuid()}:${tag}>`)) right++
  else wrong.push(answer)
}

const sessions = Array.from({ length: Number(connections) }, () => connect('http://localhost', { createConnection: () => connectSocket(path) }))
await Promise.all(sessions.flatMap((session, at) => Array.from({ length: Number(calls) }, () => call(session, `${process.pid}-${at}`))))
for (const session of sessions) session.destroy()
console.log(JSON.stringify({ right, wrong: wrong.slice(0, 3) }))
