import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { connect as connectHttp2 } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../support/server/test-server.ts'
import type { TestServer } from '../support/server/test-server.ts'

const garbage: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['zeros', Buffer.alloc(10_000)],
  ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a preface and garbage', Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(5_000, 0xfe)])],
  ['a frame of the greatest length', Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), Buffer.alloc(100_000)])],
]

async function ended(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  socket.resume()
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.once('close', () => resolve())) // a reset is an end, too
}

async function stillServes({ admin, tls }: TestServer): Promise<void> {
  expect(await admin.unary('spire.api.server.entry.v1.Entry', 'CountEntries', {})).toEqual({ count: 0 })
  expect((await tls().unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).trustDomain).toBe('example.org')
}

test('garbage on either socket ends that connection and nothing else', async () => {
  const server = await startServer()
  const [host = '', port = ''] = server.server.address.split(':')
  for (const [, bytes] of garbage) {
    const unix = connect(server.server.adminSocket)
    unix.end(bytes)
    await ended(unix)
    const tcp = connect(Number(port), host)
    tcp.end(bytes)
    await ended(tcp)
    const secure = connectTls({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    await once(secure, 'secureConnect')
    secure.end(bytes)
    await ended(secure)
  }
  await stillServes(server)
})

test('a peer that speaks no HTTP/2 is cut after the handshake', async () => {
  const server = await startServer()
  const [host = '', port = ''] = server.server.address.split(':')
  const secure = connectTls({ host, port: Number(port), rejectUnauthorized: false })
  secure.on('error', () => undefined)
  await ended(secure)
  await stillServes(server)
})

test('a message over 4 MiB, one that is no protobuf, and an unknown method are refused one by one', async () => {
  const server = await startServer()
  const session = connectHttp2('http://localhost', { createConnection: () => connect(server.server.adminSocket) })
  onTestFinished(() => session.destroy())
  const call = async (path: string, body: Buffer): Promise<string> => {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
    let status = ''
    stream.on('response', (headers) => (status ||= String(headers['grpc-status'] ?? '')))
    stream.on('trailers', (headers) => (status ||= String(headers['grpc-status'] ?? '')))
    stream.on('error', () => (status ||= 'reset'))
    stream.resume()
    stream.end(body)
    await new Promise<void>((resolve) => stream.once('close', () => resolve()))
    return status
  }
  const message = (body: Buffer): Buffer => Buffer.concat([Buffer.from([0, ...new Uint8Array(new Uint32Array([body.length]).buffer).reverse()]), body])
  const method = '/spire.api.server.entry.v1.Entry/BatchCreateEntry'
  expect(await call(method, message(Buffer.alloc(5_000_000, 0x0a)))).toMatch(/^(8|reset)$/)
  expect(await call(method, message(Buffer.from([0x0a, 0xff, 0xff, 0xff])))).toMatch(/^(13|3)$/)
  expect(await call('/mayfly.v1.Sync/NoSuch', message(Buffer.alloc(0)))).toBe('12')
  expect(await call('/../../etc', message(Buffer.alloc(0)))).toBe('12')
  await stillServes(server)
})

test('hundreds of idle connections hold nobody up', async () => {
  const server = await startServer()
  const [host = '', port = ''] = server.server.address.split(':')
  const idle = Array.from({ length: 300 }, (_, at) => (at % 2 === 0 ? connect(Number(port), host) : connect(server.server.adminSocket)))
  for (const socket of idle) socket.on('error', () => undefined)
  onTestFinished(() => {
    for (const socket of idle) socket.destroy()
  })
  await stillServes(server)
})
