import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { connectTls, createTlsServer, memberOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { toHex } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { main, node24 } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const run = promisify(execFile)
const uid = process.geteuid?.() ?? 0

test('a verifier registers, is waited for, receipts what was revoked, and the ledger knows where an identity was accepted', async () => {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  const { admin, trustDomain } = product
  await product.createEntries([{ spiffeId: `spiffe://${trustDomain}/api`, parentId: agentId, selectors: [`unix:uid:${uid}`] }])
  await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  await using feed = await startRevocationFeed(source, { class: 'strict', software: 'receipts test 1' })
  await feed.synced

  const list = async () => admin.unary('mayfly.v1.Verifiers', 'List', {})
  let known = await list()
  while (known.verifiers[0]?.receiptAtMs === 0 || known.verifiers.length === 0) {
    await systemClock.sleep(20, AbortSignal.timeout(10_000))
    known = await list()
  }
  expect(known.verifiers).toMatchObject([{ spiffeId: `spiffe://${trustDomain}/api`, class: 'strict', software: 'receipts test 1', agentId, seq: known.seq, stateDiffers: false, unsigned: false }])
  expect(known.unregistered).toBe(0)

  // It accepts itself over mTLS, and reports that.
  const terms = { allow: memberOf(trustDomain), revocation: feed, class: 'strict' } as const
  const server = createTlsServer(source, terms, {}, (socket) => void socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = await connectTls(source, terms, { host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  await once(socket.resume(), 'close')
  const { serial } = source.current()

  const otherKey = PrivateKey.generate()
  const minted = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(otherKey, { uris: [`spiffe://${trustDomain}/other`] })) })
  expect(minted.svid?.certChain).toHaveLength(1)
  const revoked = await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${trustDomain}/other` }, rotate: false, reason: 'test', dryRun: false })
  expect(revoked.credentials).toBe(1)
  const steps = []
  for await (const step of admin.serverStream('mayfly.v1.Verifiers', 'AwaitReceipts', { epoch: revoked.epoch, seq: revoked.streamSeq })) steps.push(step)
  expect(steps.at(-1)).toMatchObject({ verifiers: 1, receipted: 1, done: true, pastLimit: [], uncovered: [] })
  const status = await admin.unary('mayfly.v1.Verifiers', 'RevocationStatus', {})
  expect(status.revocations[0]).toMatchObject({ seq: revoked.streamSeq, events: 1, receipted: 1, verifiers: 1, missing: [] })
  expect(status.revocations[0]?.maxMs).toBeGreaterThanOrEqual(0)
  expect(status.revocations[0]?.maxMs).toBeLessThan(60_000)

  // A copy of what was revoked is shown to it: it refuses, and says so.
  const cert = encodeCertificatesPem(minted.svid?.certChain ?? [])
  const copy = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', cert, key: otherKey.toPem(), rejectUnauthorized: false })
  copy.on('error', () => undefined) // reset, maybe
  await once(copy.resume(), 'close')
  server.close()

  const usesOf = async (of: string): Promise<readonly { readonly count: number }[]> => {
    for (;;) {
      const uses = (await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial: of } })).credentials[0]?.uses ?? []
      if (uses.length > 0) return uses
      await systemClock.sleep(200, AbortSignal.timeout(10_000))
    }
  }
  expect(await usesOf(serial)).toMatchObject([{ verifier: `spiffe://${trustDomain}/api`, count: 2, refused: false }])
  const copied = toHex(parseCertificate(minted.svid?.certChain[0] ?? new Uint8Array(0)).serial)
  expect(await usesOf(copied)).toMatchObject([{ verifier: `spiffe://${trustDomain}/api`, count: 1, refused: true }])

  // What people see of it.
  const { stdout: why } = await run(node24, [main('src/cli'), 'why', serial, '--server-socket', product.adminSocket])
  expect(why).toMatch(new RegExp(`accepted +by spiffe://${trustDomain}/api: 2 times, last `))
  const { stdout: whyNot } = await run(node24, [main('src/cli'), 'why', copied, '--server-socket', product.adminSocket])
  expect(whyNot).toMatch(new RegExp(`refused +by spiffe://${trustDomain}/api: once, last `))
  await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${trustDomain}/third`] })) })
  const { stdout: waited } = await run(node24, [main('src/cli'), 'revoke', '--id', '/third', '--wait', '--server-socket', product.adminSocket])
  expect(waited).toMatch(/^1 of 1 verifier has receipted it$/m)
  const { stdout: listed } = await run(node24, [main('src/cli'), 'verifier', 'list', '--server-socket', product.adminSocket])
  expect(listed).toMatch(new RegExp(`spiffe://${trustDomain}/api +[0-9a-f]{8} +strict +0 +.* receipts test 1`))

  // A server that is killed and started again knows who it waits for, and they tell it where they are.
  await product.killServer()
  await product.startServer()
  const again = await product.admin.unary('mayfly.v1.Verifiers', 'List', {})
  expect(again.verifiers.map(({ instance }) => instance)).toEqual(known.verifiers.map(({ instance }) => instance))
  for (;;) {
    const { verifiers } = await product.admin.unary('mayfly.v1.Verifiers', 'List', {})
    if (verifiers[0]?.receiptAtMs !== 0) break
    await systemClock.sleep(50, AbortSignal.timeout(10_000))
  }

  // One that stops is not waited for any more.
  await feed[Symbol.asyncDispose]()
  for (;;) {
    const { verifiers } = await product.admin.unary('mayfly.v1.Verifiers', 'List', {})
    if (verifiers.length === 0) break
    await systemClock.sleep(50, AbortSignal.timeout(10_000))
  }

  // Whom the agent accepts for programs that ask it is known too, in the agent's own name.
  const { certificateChain, serial: checked } = source.current()
  const answer = await checkAt(join(dirname(agent.workloadSocket), 'check.sock'), { chain: certificateChain.map((der) => Buffer.from(der).toString('base64')), allow: [`spiffe://${trustDomain}/api`] })
  expect(answer).toMatchObject({ accepted: true, serial: checked })
  for (;;) {
    const { credentials } = await product.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial: checked } })
    const byAgent = credentials[0]?.uses?.find(({ verifier }) => verifier === agentId)
    if (byAgent !== undefined) {
      expect(byAgent.count).toBe(1)
      break
    }
    await systemClock.sleep(200, AbortSignal.timeout(10_000))
  }
  const { verifiers } = await product.admin.unary('mayfly.v1.Verifiers', 'List', {})
  expect(verifiers).toMatchObject([{ spiffeId: agentId, agentId, class: 'available' }])
})

async function checkAt(socketPath: string, question: object): Promise<unknown> {
  const asked = request({ socketPath, path: '/check', method: 'POST', headers: { 'content-type': 'application/json' } })
  asked.end(JSON.stringify(question))
  const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer>] // node:http says so
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part)
  return JSON.parse(Buffer.concat(parts).toString()) as unknown
}
