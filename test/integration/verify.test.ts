import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createHttpsServer, memberOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { postCheck } from '../support/agent/check.ts'
import { main, node24 } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const uid = process.getuid?.() ?? 0
const id = 'spiffe://example.org/web'

describe('asking what a verifier says, with real processes', () => {
  test('mayfly verify, mayfly curl and POST /check say yes, and no within a second of a revocation', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: id, parentId, selectors: [`unix:uid:${uid}`] }])
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    await using feed = await startRevocationFeed(source)
    await feed.synced
    const server = createHttpsServer(source, { allow: memberOf(parseTrustDomain('example.org')), revocation: feed }, {}, (request, response) => void response.end(`hello, ${request.method ?? ''} ${request.url ?? ''}\n`))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const chain = source.current().certificateChain
    const file = join(folder, 'svid.pem')
    writeFileSync(file, encodeCertificatesPem(chain))
    const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` }

    await expect.poll(async () => JSON.parse((await cli(['verify', file, '--class', 'strict', '--json'], env)).out)).toMatchObject({ accepted: true, verdict: 'accepted', spiffeId: id, class: 'strict', stale: false })
    const plain = await cli(['verify', file], env)
    expect(plain.out).toMatch(/^verdict {6}accepted\nid {11}spiffe:\/\/example\.org\/web\n/)
    expect(plain.code).toBe(0)
    expect(await cli(['verify', file, '--allow', 'spiffe://example.org/other'], env)).toMatchObject({ code: 1, out: expect.stringContaining('refused: not authorized') })
    const asked = await cli(['curl', '-X', 'PUT', `https://127.0.0.1:${port}/things`], env)
    expect(asked).toMatchObject({ code: 0, out: 'hello, PUT /things\n' })
    expect(asked.err).toMatch(/^spiffe:\/\/example\.org\/web answered spiffe:\/\/example\.org\/web\nserial [0-9a-f]+, ends in .*, authority [0-9a-f]{16}\nnot revoked as of \d+ms ago\n200 OK\n$/)
    expect(await cli(['curl', `https://127.0.0.1:${port}/`, '--allow', 'spiffe://example.org/db'], env)).toMatchObject({ code: 4, err: expect.stringContaining('was refused: not authorized') })
    const question = { chain: encodeCertificatesPem(chain), allow: ['spiffe://example.org'], class: 'strict' }
    const socket = join(agent.dir, 'check.sock')
    await expect.poll(() => postCheck(socket, question)).toMatchObject({ status: 200, body: { accepted: true, spiffeId: id } })

    const { committedAtMs } = await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: source.current().serial.padStart(34, '0') }, reason: 'test' })
    for (;;) {
      const atMs = Date.now()
      const answer = await postCheck(socket, question)
      if (answer.status !== 200 && answer.body['verdict'] !== 'stale') {
        expect(answer).toMatchObject({ status: 403, body: { accepted: false, verdict: 'revoked' } })
        break
      }
      expect(atMs - committedAtMs).toBeLessThan(answer.status === 200 ? 4_000 : 60_000) // the limit of strict, and a second
    }
    expect(await cli(['verify', file], env)).toMatchObject({ code: 1, out: expect.stringContaining('refused: revoked') })
    server.close()
    rmSync(folder, { recursive: true })
  })
})

async function cli(args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  return new Promise((resolve) => {
    execFile(node24, [main('src/cli'), ...args], { env: { ...process.env, ...env } }, (error, out, err) => resolve({ out, err, code: error === null ? 0 : Number(error.code ?? 255) }))
  })
}
