import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { Server as NetServer, AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { connect as rawConnect } from 'node:tls'
import * as grpc from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { guardOf } from '../../src/client/connection-guard.ts'
import { grpcChannelCredentials, listenGrpc } from '../../src/client/grpc.ts'
import type { PeerTerms } from '../../src/client/peer.ts'
import { peerOf } from '../../src/client/peer.ts'
import { connectHttp2, connectTls, SpiffeAgent } from '../../src/client/tls-client.ts'
import { createHttp2Server, createHttpsServer, createTlsServer } from '../../src/client/tls-server.ts'
import type { X509Source } from '../../src/client/x509-source.ts'
import { methodOf } from '../../src/rpc/services.ts'
import { systemClock } from '../../src/system/clock.ts'
import { exactly, memberOf, oneOf } from '../../src/verify/authorize.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { TestRevocations } from '../support/client/test-revocations.ts'
import { federated, nextEvent, startSource, TestDomain, TestWorkloadApi } from '../support/client/workload-api.ts'
import { issueSvid } from '../support/rpc/svids.ts'

const home = new TestDomain('example.test')
const abroad = new TestDomain('other.test')
const unchecked = { revocation: revocationUnchecked } as const
const anyone: PeerTerms = { allow: memberOf(home.trustDomain), ...unchecked }

async function sourceOf(domain: TestDomain, path: string, ...others: readonly TestDomain[]): Promise<{ readonly api: TestWorkloadApi; readonly source: X509Source }> {
  const api = await TestWorkloadApi.start(federated(domain.response(path), ...others))
  return { api, source: await startSource(api) }
}

async function listen(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A TLS server that sends back what it gets; its sockets by arrival. */
async function echo(source: X509Source, terms: PeerTerms): Promise<{ readonly port: number; readonly sockets: TLSSocket[] }> {
  const sockets: TLSSocket[] = []
  const server = createTlsServer(source, terms, {}, (socket) => {
    sockets.push(socket)
    socket.pipe(socket)
  })
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()))
  return { port: await listen(server), sockets }
}

async function silentServer(): Promise<number> {
  const held: Socket[] = []
  onTestFinished(() => held.forEach((socket) => void socket.destroy()))
  return await listen(createServer((socket) => void held.push(socket)))
}

async function say(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text)
  const [bytes] = await once(socket, 'data')
  return String(bytes)
}

function client(source: X509Source, terms: PeerTerms, port: number): Promise<TLSSocket> {
  return connectTls(source, terms, { host: '127.0.0.1', port }).then((socket) => {
    onTestFinished(() => void socket.destroy())
    return socket
  })
}

/** Resolves when the server turns this client away; TLS 1.3 lets a client finish first. */
async function turnedAway(connecting: Promise<TLSSocket>): Promise<void> {
  const socket = await connecting.catch(() => undefined)
  if (socket === undefined || socket.destroyed) return
  await once(socket.resume(), 'close')
}

describe('tls', () => {
  test('two workloads talk, and each knows who the other is', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const { port, sockets } = await echo(a.source, { allow: exactly(home.id('/b')), ...unchecked })
    const socket = await client(b.source, { allow: oneOf([home.id('/x'), home.id('/a')]), ...unchecked }, port)
    expect(await say(socket, 'hello')).toBe('hello')
    expect([peerOf(socket)?.id, peerOf(sockets[0])?.id]).toEqual([home.id('/a'), home.id('/b')])
  })

  test('X509-20 WAPI-10 a peer is judged by the bundle of its own trust domain; without one it is refused, by either side', async () => {
    const here = await sourceOf(home, '/a')
    const there = await sourceOf(abroad, '/b', home)
    const { port, sockets } = await echo(here.source, { allow: () => true, ...unchecked })
    await turnedAway(client(there.source, { allow: () => true, ...unchecked }, port))
    expect(sockets).toEqual([])
    const theirs = await echo(there.source, { allow: () => true, ...unchecked })
    await expect(client(here.source, { allow: () => true, ...unchecked }, theirs.port)).rejects.toMatchObject({ code: 'PEER_REFUSED', details: { verdict: 'untrusted' } })
    expect(theirs.sockets.length).toBeLessThanOrEqual(1)
    const updated = nextEvent(here.source)
    here.api.set(federated(home.response('/a'), abroad))
    await updated
    expect(await say(await client(there.source, { allow: exactly(home.id('/a')), ...unchecked }, port), 'now')).toBe('now')
  })

  test('an ID that is not wanted is refused, by either side', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const { port, sockets } = await echo(a.source, { allow: exactly(home.id('/c')), ...unchecked })
    await turnedAway(client(b.source, anyone, port))
    expect(sockets).toEqual([])
    await expect(client(b.source, { allow: exactly(home.id('/c')), ...unchecked }, port)).rejects.toMatchObject({ code: 'PEER_REFUSED', details: { verdict: 'not_authorized', id: home.id('/a') } })
  })

  test('a client without a certificate, or with one of another authority of the same name, is refused before a byte is read', async () => {
    const { source } = await sourceOf(home, '/a')
    const { port, sockets } = await echo(source, anyone)
    const forged = issueSvid(new TestDomain('example.test').issuer, home.id('/b'))
    for (const identity of [{}, { cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(forged.certificateChain[0] ?? '').toString('base64')}\n-----END CERTIFICATE-----\n`, key: forged.privateKey.export({ format: 'pem', type: 'pkcs8' }) }]) {
      const socket = rawConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity })
      socket.on('error', () => undefined)
      socket.write('GET / HTTP/1.1\r\n\r\n')
      await new Promise<void>((resolve) => void socket.resume().on('close', () => resolve()))
    }
    expect(sockets).toEqual([])
  })

  test('a rotation under an open connection: it goes on, and the next shows the new SVID', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const { port } = await echo(a.source, anyone)
    const open = await client(b.source, anyone, port)
    const before = peerOf(open)?.serial
    const updated = nextEvent(a.source)
    a.api.set(home.response('/a'))
    await updated
    const next = await client(b.source, anyone, port)
    expect(peerOf(next)?.serial).toBe(a.source.current().serial)
    expect(peerOf(next)?.serial).not.toBe(before)
    expect([await say(open, 'old'), await say(next, 'new')]).toEqual(['old', 'new'])
  })

  test('WX-08 a withdrawn identity is shown to nobody and judges nobody; open connections stay', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const { port, sockets } = await echo(a.source, anyone)
    const open = await client(b.source, anyone, port)
    expect(await say(open, 'before')).toBe('before')
    const withdrawn = nextEvent(a.source)
    a.api.set(new MayflyError('NO_IDENTITY', 'gone'))
    await withdrawn
    await expect(client(b.source, anyone, port)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(client(a.source, anyone, port)).rejects.toMatchObject({ code: 'NO_IDENTITY' })
    expect([await say(open, 'after'), sockets.length]).toEqual(['after', 1])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('no session is resumed, so each connection is judged (%s)', async (version) => {
    const { source } = await sourceOf(home, '/a')
    const { port } = await echo(source, anyone)
    const svid = issueSvid(home.issuer, home.id('/b'))
    const identity = { cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(svid.certificateChain[0] ?? '').toString('base64')}\n-----END CERTIFICATE-----\n`, key: svid.privateKey.export({ format: 'pem', type: 'pkcs8' }) }
    let session: Buffer | undefined
    for (let round = 0; round < 2; round++) {
      const socket = rawConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: version, maxVersion: version, ...identity, ...(session === undefined ? {} : { session }) })
      socket.on('session', (offered) => (session = offered))
      await once(socket, 'secureConnect')
      expect(await say(socket, 'x')).toBe('x')
      expect(socket.isSessionReused()).toBe(false)
      session ??= socket.getSession()
      socket.destroy()
    }
  })
})

describe('revocation', () => {
  test("a revoked peer's open connections are cut on both sides, and it makes no new one; others stay", async () => {
    const [a, b, c] = [await sourceOf(home, '/a'), await sourceOf(home, '/b'), await sourceOf(home, '/c')]
    const revocation = new TestRevocations()
    const terms: PeerTerms = { allow: memberOf(home.trustDomain), revocation }
    const { port, sockets } = await echo(a.source, terms)
    const [fromB, fromC] = [await client(b.source, terms, port), await client(c.source, terms, port)]
    await Promise.all([say(fromB, 'b'), say(fromC, 'c')])
    expect(guardOf(revocation, systemClock)?.size).toBe(4)
    const cut = once(fromB.resume(), 'close')
    const causes = sockets.filter((socket) => peerOf(socket)?.id === home.id('/b')).map(async (socket) => (await once(socket, 'error'))[0] as unknown)
    revocation.revoke(b.source.current().serial)
    await cut
    expect(await Promise.all(causes)).toMatchObject([{ code: 'PEER_REVOKED', details: { id: home.id('/b') } }])
    expect(await say(fromC, 'still')).toBe('still')
    await turnedAway(client(b.source, terms, port))
    expect(sockets.length).toBe(2)
    await expect.poll(() => guardOf(revocation, systemClock)?.size).toBe(2)
  })

  test('a connection to a server that is revoked is cut, and a new one is refused as such', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const revocation = new TestRevocations()
    const { port } = await echo(a.source, anyone)
    const terms: PeerTerms = { ...anyone, revocation }
    const socket = await client(b.source, terms, port)
    const failed = once(socket, 'error')
    revocation.revoke(a.source.current().serial)
    expect(await failed).toMatchObject([{ code: 'PEER_REVOKED' }])
    await expect(client(b.source, terms, port)).rejects.toMatchObject({ code: 'PEER_REVOKED', details: { verdict: 'revoked' } })
  })
})

describe('https and HTTP/2', () => {
  test('https: agent and server know each other, keep connections over a rotation, and refuse whom they do not want', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const server = createHttpsServer(a.source, { allow: exactly(home.id('/b')), ...unchecked }, {}, (incoming, response) => response.end(`${peerOf(incoming.socket)?.id} ${incoming.url}`))
    const port = await listen(server)
    const agent = new SpiffeAgent(b.source, { allow: exactly(home.id('/a')), ...unchecked }, { keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const ask = async (path: string, by = agent): Promise<{ readonly body: string; readonly port: number | undefined }> => {
      const outgoing = request({ host: '127.0.0.1', port, path, agent: by })
      outgoing.end()
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
      const { localPort } = incoming.socket
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      return { body: Buffer.concat(chunks).toString(), port: localPort }
    }
    const first = await ask('/1')
    expect(first.body).toBe('spiffe://example.test/b /1')
    const updated = nextEvent(b.source)
    b.api.set(home.response('/b'))
    await updated
    expect((await ask('/2')).port).toBe(first.port)
    const wrong = new SpiffeAgent(b.source, { allow: exactly(home.id('/c')), ...unchecked })
    onTestFinished(() => wrong.destroy())
    await expect(ask('/3', wrong)).rejects.toMatchObject({ code: 'PEER_REFUSED' })
    const unwanted = new SpiffeAgent((await sourceOf(home, '/x')).source, anyone)
    onTestFinished(() => unwanted.destroy())
    await expect(ask('/4', unwanted)).rejects.toThrow()
    server.closeAllConnections()
  })

  test('HTTP/2: session and server know each other', async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const server = createHttp2Server(a.source, { allow: exactly(home.id('/b')), ...unchecked })
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 })
      stream.end(`hello ${peerOf(stream.session?.socket)?.id}`)
    })
    const port = await listen(server)
    const session = await connectHttp2(b.source, { allow: exactly(home.id('/a')), ...unchecked }, `https://127.0.0.1:${port}`)
    onTestFinished(() => session.destroy())
    const stream = session.request({ ':path': '/' })
    let body = ''
    for await (const chunk of stream) body += String(chunk)
    expect(body).toBe('hello spiffe://example.test/b')
    expect(peerOf(session.socket)?.id).toBe(home.id('/a'))
    await expect(connectHttp2(b.source, { allow: exactly(home.id('/c')), ...unchecked }, `https://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'PEER_REFUSED' })
  })
})

describe('gRPC', () => {
  test("a grpc-js server and client of one's own know each other, follow rotation, and refuse whom they do not want", async () => {
    const [a, b] = [await sourceOf(home, '/a'), await sourceOf(home, '/b')]
    const method = methodOf('mayfly.v1.Registry', 'GetEntry')
    const server = new grpc.Server()
    await using listener = await listenGrpc(server, a.source, { allow: exactly(home.id('/b')), ...unchecked }, { host: '127.0.0.1', port: 0 })
    server.addService({ GetEntry: method }, { GetEntry: (call: grpc.ServerUnaryCall<object, object>, respond: grpc.sendUnaryData<object>) => respond(null, { options: { owner: listener.peerOf(call)?.id } }) })
    onTestFinished(() => server.forceShutdown())
    const ask = async (source: X509Source, terms: PeerTerms): Promise<unknown> => {
      const stub = new grpc.Client(listener.address, grpcChannelCredentials(source, terms), { 'grpc.use_local_subchannel_pool': 1 })
      try {
        return await new Promise((resolve, reject) => void stub.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, {}, (failure, answer) => (failure === null ? resolve(answer) : reject(failure))))
      } finally {
        stub.close()
      }
    }
    const owner = { options: { owner: 'spiffe://example.test/b' } }
    expect(await ask(b.source, { allow: exactly(home.id('/a')), ...unchecked })).toMatchObject(owner)
    const updated = nextEvent(a.source)
    a.api.set(home.response('/a'))
    await updated
    expect(await ask(b.source, anyone)).toMatchObject(owner)
    await expect(ask(b.source, { allow: exactly(home.id('/c')), ...unchecked })).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE, details: expect.stringContaining('was refused') })
    await expect(ask((await sourceOf(home, '/x')).source, anyone)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE })
  })
})

test('a server that never answers the handshake is given up after the timeout, through the agent too', async () => {
  const { source } = await sourceOf(home, '/web')
  const port = await silentServer()
  await expect(connectTls(source, anyone, { host: '127.0.0.1', port, timeout: 50 })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'no TLS connection: the handshake took too long' })
  const asked = request({ host: '127.0.0.1', port, agent: new SpiffeAgent(source, anyone, { timeout: 50 }) })
  const [error] = (await once(asked.end(), 'error')) as [MayflyError]
  expect(error.code).toBe('UNAVAILABLE')
})
