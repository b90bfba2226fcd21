// A workload written with mayfly/client, the other end of go-spiffe's: `serve <peer>` (HTTPS), `stream <peer>` (one line a second over
// TLS), `call <address> <peer>`. One JSON object a line on standard output.
import { get } from 'node:https'

import { createHttpsServer, createTlsServer, exactly, parseSpiffeId, peerOf, SpiffeAgent, startRevocationFeed, X509Source } from '../../src/client/index.ts'

const [mode = '', first = '', second = ''] = process.argv.slice(2)
const source = await X509Source.start()
const revocation = await startRevocationFeed(source)
await revocation.synced
const terms = { allow: exactly(parseSpiffeId(mode === 'call' ? second : first)), revocation }

switch (mode) {
  case 'serve':
    listen(createHttpsServer(source, terms, {}, (request, response) => response.end(peerOf(request.socket)?.id)))
    break
  case 'stream':
    listen(
      createTlsServer(source, terms, {}, (socket) => {
        const timer = setInterval(() => socket.write(`${source.current().serial}\n`), 200)
        socket.on('close', () => clearInterval(timer)).on('error', (error) => say('cut', { peer: peerOf(socket)?.id, message: error.message }))
      }),
    )
    break
  case 'call': {
    const [host = '', port = ''] = first.split(':')
    const agent = new SpiffeAgent(source, terms)
    get({ host, port: Number(port), path: '/', agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => {
        say('answer', { status: response.statusCode, sawClient: body, server: peerOf(response.socket)?.id })
        process.exit(0)
      })
    }).on('error', (error) => {
      say('failed', { message: error.message })
      process.exit(1)
    })
    break
  }
  default:
    throw new Error(`unknown mode ${mode}`)
}

function listen(server: ReturnType<typeof createTlsServer>): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    say('serving', { address: `127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}` })
  })
}

function say(event: string, fields: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ event, ...fields }))
}
