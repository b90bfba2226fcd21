import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo, Server as NetServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import * as grpc from '@grpc/grpc-js'
import { Agent, request as undiciRequest } from 'undici'
import { onTestFinished } from 'vitest'
import { grpcChannelCredentials, listenGrpc } from '../../../src/client/grpc.ts'
import type { PeerTerms } from '../../../src/client/peer.ts'
import { peerOf } from '../../../src/client/peer.ts'
import { connectHttp2, connectTls, SpiffeAgent } from '../../../src/client/tls-client.ts'
import { createHttp2Server, createHttpsServer, createTlsServer } from '../../../src/client/tls-server.ts'
import { undiciConnector } from '../../../src/client/undici.ts'
import type { X509Source } from '../../../src/client/x509-source.ts'
import { methodOf } from '../../../src/rpc/services.ts'
import type { AcceptedSvid } from '../../../src/verify/verify-svid.ts'

/** One side's requests to a server, over one connection for as long as that is open. */
export interface Caller extends AsyncDisposable {
  /** The serial that the server saw, and which of its connections it was. Rejects when the server is refused, refuses, or hangs up. */
  ask(): Promise<Answered>
}

export interface Answered {
  readonly serial: string
  readonly connection: number
}

/** A helper of `mayfly/client` for clients with one for servers, as the contract of live connections drives them. */
export interface Helper {
  readonly name: string
  /** What a client offers in the handshake, so that a test may make one of its own. */
  readonly protocols: readonly string[]
  /** Serves until the test is over. Returns the port. */
  serve(source: X509Source, terms: PeerTerms): Promise<number>
  caller(source: X509Source, terms: PeerTerms, port: number): Caller
}

export const helpers: readonly Helper[] = [
  { name: 'tls', protocols: [], serve: serveTls, caller: tlsCaller },
  { name: 'https', protocols: ['http/1.1'], serve: serveHttps, caller: httpsCaller },
  { name: 'http2', protocols: ['h2'], serve: serveHttp2, caller: http2Caller },
  { name: 'grpc-js', protocols: ['h2'], serve: serveGrpc, caller: grpcCaller },
  { name: 'undici', protocols: ['http/1.1'], serve: serveHttps, caller: (source, terms, port) => undiciCaller(source, terms, port, false) },
  { name: 'undici with HTTP/2', protocols: ['h2'], serve: serveHttp2, caller: (source, terms, port) => undiciCaller(source, terms, port, true) },
]

/** Numbers the connections of a server by their peers, of which each connection has its own object. */
function numbering(): (peer: AcceptedSvid | undefined) => string {
  const seen = new Map<AcceptedSvid, number>()
  return (peer) => {
    if (peer === undefined) throw new Error('a request of nobody')
    const connection = seen.get(peer) ?? seen.size + 1
    seen.set(peer, connection)
    return `${peer.serial} ${connection}`
  }
}

function read(text: string): Answered {
  const [serial = '', connection] = text.trim().split(' ')
  if (!/^[0-9a-f]+$/.test(serial)) throw new Error(`not an answer: ${text}`)
  return { serial, connection: Number(connection) }
}

async function listening(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const open = new Set<{ destroy(): unknown }>()
  server.on('connection', (socket) => open.add(socket))
  onTestFinished(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return (server.address() as AddressInfo).port // it listens on TCP
}

async function serveTls(source: X509Source, terms: PeerTerms): Promise<number> {
  const number = numbering()
  return listening(createTlsServer(source, terms, {}, (socket) => void socket.on('data', () => void socket.write(`${number(peerOf(socket))}\n`))))
}

async function serveHttps(source: X509Source, terms: PeerTerms): Promise<number> {
  const number = numbering()
  return listening(createHttpsServer(source, terms, { keepAliveTimeout: 60_000 }, (incoming, response) => void response.end(number(peerOf(incoming.socket)))))
}

async function serveHttp2(source: X509Source, terms: PeerTerms): Promise<number> {
  const number = numbering()
  const server = createHttp2Server(source, terms)
  server.on('stream', (stream) => {
    stream.on('error', () => undefined)
    stream.respond({ ':status': 200 })
    stream.end(number(peerOf(stream.session?.socket)))
  })
  return listening(server)
}

const method = methodOf('mayfly.v1.Registry', 'GetEntry')

async function serveGrpc(source: X509Source, terms: PeerTerms): Promise<number> {
  const number = numbering()
  const server = new grpc.Server()
  const listener = await listenGrpc(server, source, terms, { host: '127.0.0.1', port: 0 })
  server.addService({ GetEntry: method }, { GetEntry: (call: grpc.ServerUnaryCall<object, object>, respond: grpc.sendUnaryData<object>) => respond(null, { options: { owner: number(listener.peerOf(call)) } }) })
  onTestFinished(async () => {
    server.forceShutdown()
    await listener.close()
  })
  return Number(listener.address.split(':')[1])
}

function tlsCaller(source: X509Source, terms: PeerTerms, port: number): Caller {
  let socket: TLSSocket | undefined
  return {
    ask: async () => {
      if (socket === undefined || socket.destroyed) socket = await connectTls(source, terms, { host: '127.0.0.1', port })
      const used = socket
      used.write('?')
      return new Promise((resolve, reject) => {
        const hungUp = (): void => reject(new Error('the server hung up'))
        used.once('close', hungUp)
        used.once('data', (bytes) => {
          used.off('close', hungUp)
          resolve(read(String(bytes)))
        })
      })
    },
    [Symbol.asyncDispose]: async () => void socket?.destroy(),
  }
}

function httpsCaller(source: X509Source, terms: PeerTerms, port: number): Caller {
  const agent = new SpiffeAgent(source, terms, { keepAlive: true, maxSockets: 1 })
  return {
    ask: async () => {
      const outgoing = request({ host: '127.0.0.1', port, agent })
      outgoing.end()
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage] // what 'response' brings
      return read(await textOf(incoming))
    },
    [Symbol.asyncDispose]: async () => agent.destroy(),
  }
}

function http2Caller(source: X509Source, terms: PeerTerms, port: number): Caller {
  let session: ClientHttp2Session | undefined
  return {
    ask: async () => {
      if (session === undefined || session.closed || session.destroyed) session = await connectHttp2(source, terms, `https://127.0.0.1:${port}`)
      const stream = session.request({ ':path': '/' })
      stream.on('error', () => undefined) // it may still be closing when the connection is cut
      return read(await textOf(stream))
    },
    [Symbol.asyncDispose]: async () => session?.destroy(),
  }
}

function grpcCaller(source: X509Source, terms: PeerTerms, port: number): Caller {
  const stub = new grpc.Client(`127.0.0.1:${port}`, grpcChannelCredentials(source, terms), { 'grpc.use_local_subchannel_pool': 1, 'grpc.initial_reconnect_backoff_ms': 50 })
  return {
    ask: async () =>
      new Promise((resolve, reject) => {
        stub.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, {}, (failure, answer) => {
          if (failure === null) resolve(read((answer as { options?: { owner?: string } }).options?.owner ?? '')) // what serveGrpc answers
          else reject(failure)
        })
      }),
    [Symbol.asyncDispose]: async () => stub.close(),
  }
}

function undiciCaller(source: X509Source, terms: PeerTerms, port: number, allowH2: boolean): Caller {
  const dispatcher = new Agent({ connect: undiciConnector(source, terms, { allowH2 }), allowH2, connections: 1, keepAliveTimeout: 60_000 })
  return {
    ask: async () => read(await (await undiciRequest(`https://127.0.0.1:${port}/`, { dispatcher })).body.text()),
    [Symbol.asyncDispose]: async () => dispatcher.destroy(),
  }
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}
