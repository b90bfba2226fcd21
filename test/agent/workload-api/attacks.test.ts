import type { Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { node24, Program, root } from '../../support/product/process.ts'
import { opened } from '../../support/agent/opened.ts'
import { holds, SvidStream, TestApi } from '../../support/agent/workload-api.ts'
import { anEntry } from '../../support/agent/entries.ts'
import { WorkloadProcess } from '../../support/agent/workload.ts'
import { isRoot } from '../../support/processes/processes.ts'

const mine = [`unix:uid:${process.geteuid?.() ?? -1}`]

let api: TestApi

beforeEach(async () => {
  api = await TestApi.start()
})

afterEach(async () => {
  await api[Symbol.asyncDispose]()
})

describe('who is answered', () => {
  test.skipIf(!isRoot)('two users at once on one socket each get their own identity', async () => {
    api.entriesAre(anEntry('one', { selectors: ['unix:uid:4001'] }), anEntry('two', { selectors: ['unix:uid:4002'] }))
    const fetches = Array.from({ length: 6 }, async (_, at) => {
      await using workload = WorkloadProcess.start(api.socket, { uid: at % 2 === 0 ? 4001 : 4002, once: true })
      return [at % 2, (await workload.svids()).ids]
    })
    for (const [which, ids] of await Promise.all(fetches)) expect(ids).toEqual([which === 0 ? 'spiffe://test.example/one' : 'spiffe://test.example/two'])
  })

  test('a child that inherited the socket is cut off when the process that connected dies', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using parent = new Program(node24, [join(root, 'test/support/agent/bequeath.mjs'), api.socket])
    const heir = Number((await parent.event('bequeathed'))['heir'])
    try {
      await parent.event('data')
      parent.child.stdin?.write('die\n')
      const end = await parent.event('end')
      expect(['7', 'cut']).toContain(end['status'])
      await parent.event('closed')
      await expect.poll(() => api.connections).toBe(0)
    } finally {
      process.kill(heir, 'SIGKILL')
    }
  })

  test('the key goes when the last process that was given it exits, and its serial is reported', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    {
      await using workload = WorkloadProcess.start(api.socket)
      await workload.svids()
      expect(api.svids.held()).toHaveLength(1)
    }
    await holds(api.endedChanged, () => api.ended.length > 0)
    expect(api.svids.held()).toEqual([])
  })
})

describe('who talks nonsense', () => {
  test('garbage, giants and half-open connections do no harm to others', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    const texts = [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), Buffer.alloc(1_000_000, 0xff), Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])]
    const sockets = await Promise.all(texts.map(async (text) => await sent(api.socket, text)))
    await using stream = new SvidStream(api)
    expect((await stream.next()).svids).toHaveLength(1)
    for (const socket of sockets) socket.destroy()
  })

  test('a request message of a megabyte is refused, and the connection’s other calls go on', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    using channel = api.client()
    await expect(channel.unary('SpiffeWorkloadAPI', 'FetchJWTSVID', { audience: ['x'.repeat(1_000_000)] })).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED' })
    for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})) {
      expect(svids).toHaveLength(1)
      break
    }
  })
})

describe('who takes too much', () => {
  test('a slow reader holds one message, however much changes meanwhile, and gets the newest state when it reads', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    await stream.next()
    for (let revision = 1; revision <= 500; revision++) {
      api.entriesAre(anEntry('a', { selectors: mine, revision, dnsNames: [`a${revision}.test.example`] }))
      if (revision % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await holds(api.svids.changed, () => api.svids.current('a')?.revision === 500)
    const serial = api.svids.current('a')?.chainDer ?? Buffer.alloc(0)
    let messages = 0
    for (;;) {
      const { svids } = await stream.next()
      messages++
      if (svids[0]?.x509Svid.equals(serial) === true) break
    }
    expect(messages).toBeLessThan(200)
  })

  test('a process cannot have more connections than its share; others are served', async () => {
    await api[Symbol.asyncDispose]()
    api = await TestApi.start({ limits: { connectionsPerProcess: 20 } })
    api.entriesAre(anEntry('a', { selectors: mine }))
    const sockets = await Promise.all(Array.from({ length: 50 }, async () => await opened(api.socket)))
    const refused = Promise.withResolvers<void>()
    const open = (): number => sockets.filter((socket) => !socket.destroyed).length
    for (const socket of sockets) socket.once('close', () => (open() <= 20 ? refused.resolve() : undefined))
    if (open() > 20) await refused.promise
    await using workload = WorkloadProcess.start(api.socket, { once: true })
    expect((await workload.svids()).ids).toEqual(['spiffe://test.example/a'])
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => api.connections).toBe(0)
  })
})

async function sent(path: string, bytes: Buffer): Promise<Socket> {
  const socket = await opened(path)
  socket.write(bytes)
  return socket
}
