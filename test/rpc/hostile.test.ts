import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect as connectHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FakeClock } from '../support/fake-clock.ts'
import { collect, latch, startRpc } from '../support/rpc/harness.ts'

describe('garbage and giants', () => {
  test.each([
    ['random bytes', Buffer.from('4f8d2a0b'.repeat(4_000), 'hex')],
    ['an HTTP/1 request', Buffer.from('POST /mayfly.v1.Status/Get HTTP/1.1\r\nhost: localhost\r\n\r\n')],
    ['a preface and then garbage', Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(20_000, 0xff)])],
    ['a TLS hello', Buffer.from('160301020001000001fc0303'.padEnd(400, '7'), 'hex')],
  ])('%s on the socket closes that connection and no other', async (_name, bytes) => {
    const { server, path, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', { Get: async () => ({ version: 'still here' }) })
    const rpc = channel()
    await rpc.unary('mayfly.v1.Status', 'Get', {})
    const socket = connect(path)
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
    expect((await rpc.unary('mayfly.v1.Status', 'Get', {})).version).toBe('still here')
  })

  test('a request that is no message of the method fails that call only', async () => {
    const { server, path } = await startRpc(() => 'me')
    let handled = 0
    server.add('mayfly.v1.Registry', { GetEntry: async () => (handled++, {}) })
    const session = http2(path)
    for (const body of [Buffer.from([0xff]), Buffer.alloc(11, 0xff), Buffer.from([0x13, 0x13, 0x13]), Buffer.alloc(100_000, 0x13)]) {
      expect(await statusOf(request(session, '/mayfly.v1.Registry/GetEntry', message(body)))).toBe('13')
    }
    expect(handled).toBe(0)
    expect(await statusOf(request(session, '/mayfly.v1.Registry/GetEntry', message(Buffer.alloc(0))))).toBe('0')
  })

  test('a message over the limit is refused before it is there, and so is one that unpacks to more', async () => {
    const { server, channel, path } = await startRpc(() => 'me', { maxReceiveBytes: 1_000 })
    server.add('mayfly.v1.Registry', { GetEntry: async () => ({}) })
    await expect(channel().unary('mayfly.v1.Registry', 'GetEntry', { id: 'x'.repeat(1_001) })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    const announced = Buffer.alloc(5)
    announced.writeUInt32BE(0xffff_ffff, 1)
    const session = http2(path)
    expect(await statusOf(request(session, '/mayfly.v1.Registry/GetEntry', announced))).toBe('8')
    const { gzipSync } = await import('node:zlib')
    const packed = message(gzipSync(Buffer.alloc(1_000_000)))
    packed[0] = 1
    expect(await statusOf(request(session, '/mayfly.v1.Registry/GetEntry', packed, { 'grpc-encoding': 'gzip' }))).toBe('8')
  })

  test('a response over the limit is an error and not a flood', async () => {
    const { server, channel } = await startRpc(() => 'me', { maxSendBytes: 1_000 })
    server.add('mayfly.v1.Registry', { GetEntry: async () => ({ options: { owner: 'x'.repeat(1_001) } }) })
    await expect(channel().unary('mayfly.v1.Registry', 'GetEntry', {})).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  })

  test('headers over 64 KiB are refused', async () => {
    const { server, path } = await startRpc(() => 'me')
    let handled = 0
    server.add('mayfly.v1.Registry', { GetEntry: async () => (handled++, {}) })
    const stream = request(http2(path, { maxSendHeaderBlockLength: 1_000_000 }), '/mayfly.v1.Registry/GetEntry', message(Buffer.alloc(0)), { big: 'x'.repeat(80_000) })
    await expect(statusOf(stream)).rejects.toThrow()
    expect(handled).toBe(0)
  })

  test('a stream that opens more calls than allowed is refused the rest', async () => {
    const { server, path } = await startRpc(() => 'me', { maxConcurrentCalls: 3 })
    let running = 0
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        running++
        return new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error)))
      },
    })
    const session = http2(path)
    await once(session, 'remoteSettings')
    expect(session.remoteSettings.maxConcurrentStreams).toBe(3)
    for (let at = 0; at < 20; at++) request(session, '/mayfly.v1.Status/Get', message(Buffer.alloc(0))).on('error', () => undefined)
    await expect.poll(() => running).toBe(3)
    expect(server.calls).toBe(3)
  })

  test('more connections than allowed are closed at once', async () => {
    const { server, path, channel } = await startRpc(() => 'me', { maxConnections: 2 })
    server.add('mayfly.v1.Status', { Get: async () => ({ version: 'here' }) })
    const rpc = channel()
    await rpc.unary('mayfly.v1.Status', 'Get', {})
    const sockets = [connect(path), connect(path)]
    for (const socket of sockets) onTestFinished(() => void socket.destroy())
    const closed = sockets.map((socket) => once(socket.resume(), 'close'))
    await Promise.race(closed)
    expect(server.connections).toBe(2)
    expect((await rpc.unary('mayfly.v1.Status', 'Get', {})).version).toBe('here')
  })
})

describe('slow and silent peers', () => {
  test('a reader that does not read holds a few messages, not all of them', async () => {
    const { server, path } = await startRpc(() => 'me')
    let made = 0
    const stopped = latch()
    server.add('mayfly.v1.Status', {
      async *WatchEvents() {
        try {
          for (; made < 10_000; made++) yield { fields: 'x'.repeat(10_000) }
        } finally {
          stopped.resolve()
        }
      },
    })
    const session = http2(path)
    const stream = request(session, '/mayfly.v1.Status/WatchEvents', message(Buffer.alloc(0)))
    stream.pause()
    let last = -1
    await expect.poll(() => made === last || ((last = made), false), { interval: 50 }).toBe(true)
    expect(made).toBeLessThan(200)
    session.destroy()
    await stopped.promise
  })

  test('an idle connection is closed after its time, one with a call in progress is not', async () => {
    const { server, path, channel } = await startRpc(() => 'me', { maxIdleMs: 100 })
    server.add('mayfly.v1.Status', {
      async *WatchEvents(_request, call) {
        yield { name: 'a' }
        await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()))
      },
    })
    const stream = channel().serverStream('mayfly.v1.Status', 'WatchEvents', {})
    await stream.next()
    const silent = connect(path)
    const idle = http2(path)
    await Promise.all([once(silent.resume(), 'close'), once(idle, 'close')])
    await expect.poll(() => server.connections).toBe(1)
    await stream.return()
  })

  test('a dead peer is found by a ping it does not answer', async () => {
    const { server, path } = await startRpc(() => 'me', { keepaliveMs: 50, keepaliveTimeoutMs: 50 })
    const socket = connect(path)
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')
    await once(socket.resume(), 'close')
    await expect.poll(() => server.connections).toBe(0)
  })

  test('what a clock says does not end a stream', async () => {
    const clock = new FakeClock()
    const { server, channel } = await startRpc(() => 'me', {}, clock)
    const go = latch()
    server.add('mayfly.v1.Status', {
      async *WatchEvents() {
        yield { name: 'a' }
        await go.promise
        yield { name: 'b' }
      },
    })
    const all = collect(channel().serverStream('mayfly.v1.Status', 'WatchEvents', {}))
    await clock.advance(3_600_000)
    go.resolve()
    expect((await all).map(({ name }) => name)).toEqual(['a', 'b'])
  })
})

describe(':authority', () => {
  test.each(['localhost', '%2Ftmp%2Fmayfly%2Fworkload.sock', '127.0.0.1:8000'])('%j is served', async (authority) => {
    const { server, path } = await startRpc(() => 'me')
    server.add('mayfly.v1.Registry', { GetEntry: async () => ({}) })
    const stream = http2(path).request({ ':method': 'POST', ':scheme': 'http', ':path': '/mayfly.v1.Registry/GetEntry', ':authority': authority, 'content-type': 'application/grpc', te: 'trailers' })
    stream.end(message(Buffer.alloc(0)))
    expect(await statusOf(stream)).toBe('0')
  })
})

function http2(path: string, options: { maxSendHeaderBlockLength?: number } = {}): ClientHttp2Session {
  const session = connectHttp2('http://localhost', { ...options, createConnection: (): Socket => connect(path) })
  session.on('error', () => undefined)
  onTestFinished(() => session.destroy())
  return session
}

function request(session: ClientHttp2Session, path: string, body: Buffer, headers: Record<string, string> = {}): ClientHttp2Stream {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers })
  stream.end(body)
  return stream
}

/** A gRPC frame, not compressed. */
function message(body: Buffer): Buffer {
  const frame = Buffer.alloc(5 + body.length)
  frame.writeUInt32BE(body.length, 1)
  body.copy(frame, 5)
  return frame
}

async function statusOf(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve, reject) => {
    let status: string | undefined
    const look = (headers: Record<string, unknown>): void => {
      if (typeof headers['grpc-status'] === 'string') status = headers['grpc-status']
    }
    stream.on('response', look)
    stream.on('trailers', look)
    stream.on('error', reject)
    stream.on('close', () => (status === undefined ? reject(new Error('no status')) : resolve(status)))
    stream.resume()
  })
}
