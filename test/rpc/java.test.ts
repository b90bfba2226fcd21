import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AuthorityRewriter, mayBeJava } from '../../src/rpc/authority.ts'
import { startRpc } from '../support/rpc/harness.ts'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const settings = (...pairs: readonly (readonly [number, number])[]): Buffer => frame(4, 0, 0, Buffer.concat(pairs.map(([id, value]) => Buffer.from([id >> 8, id & 0xff, 0, 0, (value >> 8) & 0xff, value & 0xff]))))
/** As Netty's gRPC client begins. */
const java = Buffer.concat([preface, settings([2, 0], [3, 0], [4, 0xffff], [6, 8192])])
const path = '/run/mayfly/workload.sock'

/** A field of a header block, not Huffman-coded: 0x40 = into the table, 0x00 = not. */
function literal(index: number, value: string, form = 0x40): Buffer {
  return Buffer.concat([Buffer.from([form | index, value.length]), Buffer.from(value)])
}

function named(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

const request = Buffer.concat([Buffer.from([0x83, 0x86]), literal(4, '/mayfly.v1.Status/Get'), literal(1, path), named('content-type', 'application/grpc'), named('te', 'trailers')])
/** The same by the table that the first has filled: te 62, content-type 63, :authority 64, :path 65. */
const again = Buffer.from([0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62])
const emptyMessage = Buffer.alloc(5)

describe("Java's :authority, the raw path of the socket", () => {
  test('is served, call after call, and the handler knows its peer', async () => {
    let count = 0
    const { server, path: socketFile } = await startRpc(() => ++count)
    const peers: number[] = []
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        peers.push(call.peer)
        return {}
      },
    })
    for (const connection of [1, 2]) {
      const socket = connect(socketFile)
      onTestFinished(() => void socket.destroy())
      const statuses = statusesFrom(socket)
      socket.write(Buffer.concat([java, frame(1, 4, 1, request), frame(0, 1, 1, emptyMessage)]))
      expect(await statuses.next()).toBe('headers')
      for (const stream of [3, 5]) {
        // Whatever way the bytes are cut.
        for (const byte of Buffer.concat([frame(1, 4, stream, again), frame(0, 1, stream, emptyMessage)])) socket.write(Buffer.from([byte]))
        expect(await statuses.next()).toBe('headers')
      }
      expect(peers.splice(0)).toEqual([connection, connection, connection])
    }
    expect(server.connections).toBe(2)
  })

  test('a wrapped connection drains as any other', async () => {
    const { server, path: socketFile } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', { Get: async () => ({}) })
    const socket = connect(socketFile)
    const statuses = statusesFrom(socket)
    socket.write(Buffer.concat([java, frame(1, 4, 1, request), frame(0, 1, 1, emptyMessage)]))
    await statuses.next()
    const closed = once(socket, 'close')
    await server.close(5_000)
    await closed
    expect(server.connections).toBe(0)
  })

  test('a client that says nothing is closed', async () => {
    const { path: socketFile, server } = await startRpc(() => 'me', { maxIdleMs: 50 })
    const socket = connect(socketFile)
    socket.write(preface.subarray(0, 10))
    await once(socket.resume(), 'close')
    await expect.poll(() => server.connections).toBe(0)
  })
})

describe('the rewriter', () => {
  test('changes the slashes of the authority and nothing else, however the bytes are cut', () => {
    const sent = Buffer.concat([java, frame(1, 4, 1, request), frame(0, 1, 1, Buffer.from('//////')), frame(1, 0x2c, 3, Buffer.concat([Buffer.from([3]), Buffer.alloc(5), literal(1, path, 0), literal(4, '/p'), Buffer.alloc(3, 0x2f)]))])
    const wanted = Buffer.from(sent)
    for (let at = sent.indexOf(path); at >= 0; at = sent.indexOf(path, at + 1)) wanted.write(path.replaceAll('/', '.'), at)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: sent.length })), (cuts) => {
        const rewriter = new AuthorityRewriter()
        const edges = [0, ...cuts.toSorted((left, right) => left - right), sent.length]
        const out = edges.slice(1).map((end, at) => rewriter.push(sent.subarray(edges[at], end)))
        expect(Buffer.concat(out).equals(wanted)).toBe(true)
      }),
    )
  })

  test('any bytes go through in their number, and never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
        const rewriter = new AuthorityRewriter()
        const given = [preface, ...chunks.map((payload) => frame(1, payload[0] ?? 0, 1, Buffer.from(payload)))]
        expect(Buffer.concat(given.map((chunk) => rewriter.push(chunk))).length).toBe(Buffer.concat(given).length)
      }),
    )
  })

  test('only a beginning like that of Netty is taken for Java', () => {
    expect(mayBeJava(java)).toBe(true)
    expect(mayBeJava(Buffer.concat([preface, settings([2, 0], [3, 0], [0xfe03, 1])]))).toBe(false)
    expect(mayBeJava(Buffer.concat([preface, settings()]))).toBe(false)
    expect(mayBeJava(Buffer.from('GET / HTTP/1.1'))).toBe(false)
    for (let length = 0; length < java.length; length++) expect(mayBeJava(java.subarray(0, length))).toBe(undefined)
  })
})

/** Answers to `socket`'s settings and what becomes of its streams: 'headers' or 'reset', one for each. */
function statusesFrom(socket: Socket): { next(): Promise<string> } {
  const found: string[] = []
  const waiting: ((status: string) => void)[] = []
  const seen = new Set<number>()
  let bytes: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const [type, stream] = [bytes[3], bytes.readUInt32BE(5)]
      if (type === 4 && ((bytes[4] ?? 0) & 1) === 0) socket.write(frame(4, 1, 0, Buffer.alloc(0)))
      if ((type === 1 || type === 3) && !seen.has(stream)) {
        seen.add(stream)
        const status = type === 1 ? 'headers' : 'reset'
        const next = waiting.shift()
        if (next === undefined) found.push(status)
        else next(status)
      }
      bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3))
    }
  })
  return { next: async () => found.shift() ?? new Promise((resolve) => waiting.push(resolve)) }
}
