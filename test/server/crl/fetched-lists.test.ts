import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

import { FetchedLists } from '../../../server/crl/fetched-lists.ts'
import { checkLists } from '../../../server/crl/upstream-lists.ts'
import * as files from '../../../src/system/files.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { buildCrl } from '../../../src/x509/crl.ts'
import { encodePem } from '../../../src/x509/pem.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { authority, nowMs } from '../../support/verify/certificates.ts'

const hourMs = 3_600_000
const root = authority('upstream root')
const middle = authority('middle', {}, root)
const upstream = { certificate: parseCertificate(middle.der), key: middle.key, chain: [middle.der], roots: [root.der], above: [parseCertificate(root.der)] }

let folder: string
let clock: FakeClock
let log: KeptLog
let answer: RequestListener
let asked: string[]
let server: Server
let url: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mf-'))
  clock = new FakeClock(nowMs)
  log = new KeptLog()
  asked = []
  server = createServer((request, response) => {
    asked.push(request.headers['if-none-match'] ?? '')
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/root.crl`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})

const file = (): string => join(folder, 'upstream-lists.pem')

async function start(): Promise<FetchedLists> {
  const check = (lists: readonly Uint8Array[], before: readonly Uint8Array[]): void => checkLists({ upstream: () => upstream }, lists, before, clock.nowMs())
  const fetched = await FetchedLists.start({ url, file: file() }, { clock, log, files, check })
  onTestFinished(async () => await fetched[Symbol.asyncDispose]())
  return fetched
}

async function listOf(number: bigint, { issuer = root, thisUpdateMs = nowMs - hourMs, nextUpdateMs = nowMs + 24 * hourMs } = {}): Promise<Uint8Array> {
  const { subject, extensions } = parseCertificate(issuer.der)
  return await buildCrl({ issuer: subject, issuerKeyId: extensions.subjectKeyId ?? new Uint8Array(20), number, thisUpdateMs, nextUpdateMs }, [], issuer.key)
}

const sends = (body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): RequestListener => (_, response) => void response.writeHead(200, headers).end(body)

/** Lets the time of the next look come, and waits for what it brings. */
async function next(ms: number, count: number): Promise<void> {
  await clock.advance(ms)
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(count)
}

test('lists are asked for again, by the name that their server gave them, and kept', async () => {
  const [first, second] = [await listOf(1n), await listOf(2n, { thisUpdateMs: nowMs })]
  answer = sends(first, { etag: '"one"' })
  const fetched = await start()
  expect(await fetched.lists()).toEqual([Buffer.from(first)])
  expect(readFileSync(file(), 'utf8')).toBe(encodePem('X509 CRL', first))
  const changes: number[] = []
  fetched.onChange(() => changes.push(asked.length))
  answer = (_, response) => void response.writeHead(304).end()
  await next(600_000, 2)
  answer = sends(encodePem('X509 CRL', second), { etag: '"two"' })
  await expect.poll(async () => {
    await clock.advance(600_000)
    return changes.length
  }, { timeout: 20_000 }).toBe(1)
  expect(await fetched.lists()).toEqual([second])
  expect(asked.slice(0, 3)).toEqual(['', '"one"', '"one"'])
})

test.each<[what: string, answer: () => Promise<RequestListener>, why: string]>([
  ['another page', async () => sends('<html>hello</html>'), 'holds no lists of revoked certificates'],
  ['a redirect', async () => (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'redirects are not followed'],
  ['an error', async () => (_, response) => void response.writeHead(500).end(), 'it answered 500'],
  ['a connection cut short', async () => (request) => void request.socket.destroy(), 'ca.upstream.crlPath'],
  ['more than anybody publishes', async () => sends(Buffer.alloc(17_000_000, 0x30)), 'it answered more than'],
  ['the list of another', async () => sends(await listOf(9n, { issuer: authority('upstream root') })), 'there is no list of what it revoked'],
  ['a list that is over', async () => sends(await listOf(9n, { nextUpdateMs: nowMs - 1_000 })), 'out of date'],
  ['an older list', async () => sends(await listOf(0n, { thisUpdateMs: nowMs - 5 * hourMs })), 'older than the one before it'],
])('%s changes nothing, is told of, and asked again soon', async (_, bad, why) => {
  const good = await listOf(1n)
  answer = sends(good)
  const fetched = await start()
  answer = await bad()
  await next(600_000, 2)
  await expect.poll(() => log.facts.filter(({ event }) => event === 'upstream.lists_unfetched').length, { timeout: 20_000 }).toBe(1)
  expect(String(log.facts.find(({ event }) => event === 'upstream.lists_unfetched')?.['error'])).toContain(why)
  expect(await fetched.lists()).toEqual([Buffer.from(good)])
  const newer = await listOf(2n, { thisUpdateMs: nowMs })
  answer = sends(newer)
  await next(30_000, 3)
  await expect.poll(async () => await fetched.lists(), { timeout: 20_000 }).toEqual([Buffer.from(newer)])
})

test('a start without the network takes the last good ones; without any, it fails and says why', async () => {
  answer = (_, response) => void response.writeHead(503).end()
  await expect(start()).rejects.toMatchObject({ code: 'UPSTREAM_CRL_MISSING', message: expect.stringContaining('it answered 503') })
  const good = await listOf(1n)
  answer = sends(good)
  await (await start())[Symbol.asyncDispose]()
  answer = (_, response) => void response.writeHead(503).end()
  const again = await start()
  expect(await again.lists()).toEqual([good])
  await again[Symbol.asyncDispose]()
  await clock.advance(48 * hourMs)
  await expect(start()).rejects.toMatchObject({ code: 'UPSTREAM_CRL_MISSING' }) // what was kept is over by now
})

test('who takes too long is given up', async () => {
  answer = () => undefined
  const starting = start().then(() => undefined, (error: unknown) => error)
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(1)
  await clock.advance(10_000)
  expect(await starting).toMatchObject({ code: 'UPSTREAM_CRL_MISSING', message: expect.stringContaining('no answer within 10000 ms') })
})
