import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { establishMs, reachMs } from '../../src/rpc/connecting.ts'
import { listenTls } from '../../src/rpc/listen-tls.ts'
import type { TlsListener } from '../../src/rpc/listen-tls.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import { secureContextOf, secureContextOptions } from '../../src/rpc/tls-context.ts'
import { systemClock } from '../../src/system/clock.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { TestIssuer } from '../support/agent/test-issuer.ts'
import { issueSvid } from '../support/rpc/svids.ts'
import type { TestSvid } from '../support/rpc/svids.ts'

const issuer = new TestIssuer('example.test', Math.floor(Date.now() / 1_000) * 1_000)
const hash = (der: Uint8Array | undefined): string => createHash('sha256').update(der ?? '').digest('hex').slice(0, 16)

/** A server whose answer names the certificate of the caller. */
async function start(identity: TestSvid): Promise<{ readonly server: RpcServer<readonly Uint8Array[]>; readonly listener: TlsListener }> {
  const server = new RpcServer<readonly Uint8Array[]>({ log: new KeptLog(), clock: systemClock })
  server.add('mayfly.v1.Status', { Get: async (_request, call) => ({ version: `${call.peer.length} ${hash(call.peer[0])}` }) })
  const listener = await listenTls({ host: '127.0.0.1', port: 0, identity, onConnection: (socket, chain) => server.inject(socket, chain) })
  onTestFinished(async () => {
    await listener.close()
    await server.close(0)
  })
  return { server, listener }
}

function channelTo(address: string, svid: TestSvid | undefined, verifyPeer: (chain: readonly Uint8Array[]) => void = () => undefined): RpcChannel {
  const channel = RpcChannel.connectTls({ address, clock: systemClock, context: () => secureContextOf(svid), verifyPeer })
  onTestFinished(() => channel.close())
  return channel
}

test('a handler gets the chain that its caller showed, and none when it showed none', async () => {
  const { listener } = await start(issueSvid(issuer, 'spiffe://example.test/spire/server'))
  const [one, two] = [issueSvid(issuer, 'spiffe://example.test/one'), issueSvid(issuer, 'spiffe://example.test/two')]
  const channels = [channelTo(listener.address, one), channelTo(listener.address, two), channelTo(listener.address, undefined)]
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(channels.map(async (channel) => (await channel.unary('mayfly.v1.Status', 'Get', {})).version))
    expect(answers).toEqual([`1 ${hash(one.certificateChain[0])}`, `1 ${hash(two.certificateChain[0])}`, `0 ${hash(undefined)}`])
  }
})

test('a server that is refused gets no byte of a call', async () => {
  const identity = issueSvid(issuer, 'spiffe://example.test/spire/server')
  let received = 0
  const server = createTlsServer({ ...secureContextOptions(identity), ALPNProtocols: ['h2'], requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('data', (bytes) => (received += bytes.length))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const closed = new Promise<void>((resolve) => void server.on('connection', (socket: Socket) => socket.on('close', () => resolve())))
  const seen: string[] = []
  const channel = channelTo(`127.0.0.1:${(server.address() as AddressInfo).port}`, undefined, (chain) => {
    seen.push(hash(chain[0]))
    throw new MayflyError('UNAUTHENTICATED', 'not the server')
  })
  await expect(channel.unary('mayfly.v1.Status', 'Get', { })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('not the server') })
  await closed
  expect([received, seen[0]]).toEqual([0, hash(identity.certificateChain[0])])
})

test('a new certificate is shown to new connections, and open ones stay', async () => {
  const [old, fresh] = [issueSvid(issuer, 'spiffe://example.test/spire/server'), issueSvid(issuer, 'spiffe://example.test/spire/server')]
  const { listener, server } = await start(old)
  const seen: string[] = []
  const remember = (chain: readonly Uint8Array[]): void => void seen.push(hash(chain[0]))
  const first = channelTo(listener.address, undefined, remember)
  await first.unary('mayfly.v1.Status', 'Get', {})
  listener.use(fresh)
  await channelTo(listener.address, undefined, remember).unary('mayfly.v1.Status', 'Get', {})
  await first.unary('mayfly.v1.Status', 'Get', {})
  expect(seen).toEqual([hash(old.certificateChain[0]), hash(fresh.certificateChain[0])])
  expect(server.connections).toBe(2)
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)('no session is resumed: each connection shows its certificate (%s)', async (version) => {
  const chains: number[] = []
  const listener = await listenTls({
    host: '127.0.0.1',
    port: 0,
    identity: issueSvid(issuer, 'spiffe://example.test/spire/server'),
    onConnection: (socket, chain) => {
      chains.push(chain.length)
      socket.end('x')
    },
  })
  onTestFinished(() => listener.close())
  const svid = issueSvid(issuer, 'spiffe://example.test/one')
  const port = Number(listener.address.split(':')[1])
  let session: Buffer | undefined
  for (let round = 0; round < 2; round++) {
    const socket = connectTls({ port, host: '127.0.0.1', ...secureContextOptions(svid), maxVersion: version, minVersion: version, ALPNProtocols: ['h2'], rejectUnauthorized: false, ...(session === undefined ? {} : { session }) })
    socket.on('session', (offered) => (session = offered))
    await once(socket, 'secureConnect')
    expect(socket.isSessionReused()).toBe(false)
    session ??= socket.getSession()
    await once(socket.resume(), 'close')
  }
  expect(chains).toEqual([1, 1])
})

test('a client without HTTP/2, an old TLS, and a peer that never shakes hands are turned away', async () => {
  const listener = await listenTls({ host: '127.0.0.1', port: 0, identity: issueSvid(issuer, 'spiffe://example.test/spire/server'), handshakeTimeoutMs: 50, onConnection: () => expect.unreachable() })
  onTestFinished(() => listener.close())
  const port = Number(listener.address.split(':')[1])
  const closed = async (socket: ReturnType<typeof connectTcp>): Promise<void> => {
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) => void socket.resume().on('close', () => resolve()))
  }
  await closed(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))
  await closed(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }))
  await closed(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }))
  await closed(connectTcp(port, '127.0.0.1'))
})

test('a port that is taken is an error', async () => {
  const taken = createTcpServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  await expect(listenTls({ host: '127.0.0.1', port, identity: issueSvid(issuer, 'spiffe://example.test/x'), onConnection: () => undefined })).rejects.toMatchObject({ code: 'SOCKET_IN_USE' })
})

test('a server that is not reached is given up after ten seconds, and tried anew by the next call', async () => {
  const deaf = await deafAddress()
  const clock = new FakeClock()
  const channel = RpcChannel.connectTls({ address: deaf, clock, unaryTimeoutMs: 300_000, context: () => secureContextOf(undefined), verifyPeer: () => undefined })
  onTestFinished(() => channel.close())
  for (let round = 0; round < 2; round++) {
    const call = channel.unary('mayfly.v1.Status', 'Get', {}).catch((error: unknown) => error)
    await clock.advance(reachMs)
    expect(await call).toMatchObject({ code: 'UNAVAILABLE', message: `no connection: ${deaf} does not answer within 10 s` })
  }
})

test('a server that says nothing in the handshake is given up after a minute, its connection closed, and the next call finds one that speaks', async () => {
  const { listener } = await start(issueSvid(issuer, 'spiffe://example.test/spire/server'))
  const silent = createTcpServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const { port } = silent.address() as AddressInfo // of TCP
  const accepted = once(silent, 'connection') as Promise<[Socket]> // so its documentation
  const clock = new FakeClock()
  const channel = RpcChannel.connectTls({ address: `127.0.0.1:${port}`, clock, unaryTimeoutMs: 300_000, context: () => secureContextOf(undefined), verifyPeer: () => undefined })
  onTestFinished(() => channel.close())
  const call = channel.unary('mayfly.v1.Status', 'Get', {}).catch((error: unknown) => error)
  const [socket] = await accepted
  const closed = once(socket.resume(), 'close')
  await clock.advance(reachMs)
  silent.once('connection', (next: Socket) => {
    const onward = connectTcp(Number(listener.address.split(':')[1]), '127.0.0.1')
    next.pipe(onward).pipe(next)
  })
  await clock.advance(establishMs - reachMs)
  expect(await call).toMatchObject({ code: 'UNAVAILABLE', message: `no connection: 127.0.0.1:${port} answers, but no TLS connection came about within 60 s` })
  await closed
  expect((await channel.unary('mayfly.v1.Status', 'Get', {})).version).toBe(`0 ${hash(undefined)}`)
})

/** Of a listener that accepts nobody, and whose queue is full: the kernel drops what asks for more. */
async function deafAddress(): Promise<string> {
  const child = fork(join(import.meta.dirname, '../support/rpc/deaf.mjs'))
  onTestFinished(() => void child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number] // so it says
  const queued = Array.from({ length: 8 }, () => connectTcp(port, '127.0.0.1').on('error', () => undefined))
  onTestFinished(() => queued.forEach((socket) => socket.destroy()))
  let connected = 0
  await new Promise<void>((resolve) => queued.forEach((socket) => socket.once('connect', () => ++connected === 2 && resolve())))
  return `127.0.0.1:${port}`
}
