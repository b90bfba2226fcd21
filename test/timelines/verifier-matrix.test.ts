import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTls, createTlsServer, memberOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { listen } from '../support/listen.ts'
import { mint, type Minted } from '../support/product/mint.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'

const uid = process.getuid?.() ?? 0
const trustDomain = parseTrustDomain('example.org')

/** The rows of docs/verifiers.md, each as the page says, but for nginx's and go-spiffe's (test/interop). Times have margins: machines under test are slow. */
describe('the matrix of docs/verifiers.md', () => {
  let folder = ''
  let product: Product
  let agent: AgentProcess

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mf-'))
    const config = join(folder, 'server.yaml')
    writeFileSync(config, `crl:\n  directory: ${folder}/crl\n`)
    product = await Product.start({ serverArgs: ['--config', config] })
    agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId, selectors: [`unix:uid:${uid}`] }])
  })
  afterAll(async () => {
    await product[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  test('mayfly/client: new handshakes refused and live connections cut at once; no session is resumed', async () => {
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    await using feed = await startRevocationFeed(source)
    await feed.synced
    const terms = { allow: memberOf(trustDomain), revocation: feed }
    const server = createTlsServer(source, terms, {}, (socket) => void socket.on('error', () => undefined).resume())
    const port = await listen(server)
    const serial = source.current().serial.padStart(34, '0')
    const live = await connectTls(source, terms, { host: '127.0.0.1', port })
    expect(live.isSessionReused()).toBe(false)
    expect(live.getTLSTicket()).toBeUndefined()
    const cut = new Promise<number>((resolve) => live.once('close', () => resolve(systemClock.nowMs())))
    const replaced = new Promise<void>((resolve) => void source.onUpdate(() => resolve()))
    const { committedAtMs } = await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
    expect((await cut) - committedAtMs).toBeLessThan(10_000) // by word of it, and not by the age of what is known
    await replaced // the workload has another and goes on
    const again = await connectTls(source, terms, { host: '127.0.0.1', port })
    again.destroy()
    server.close()
  })

  test('Node’s own tls with crl: new handshakes refused seconds later; live connections stay; a resumed session is not checked', async () => {
    const [good, bad] = [await mint(product, 'good'), await mint(product, 'bad')]
    const crls = (): string[] => [...readFileSync(join(folder, 'crl/crl.pem'), 'utf8').matchAll(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----\n/g)].map(([pem]) => pem)
    const ticketKeys = Buffer.alloc(48, 7)
    const reasons: (string | undefined)[] = []
    const makeServer = (): Server =>
      createServer({ cert: good.cert, key: good.key, ca: readFileSync(join(folder, 'crl/bundle.pem')), crl: crls(), requestCert: true, rejectUnauthorized: false, ticketKeys, sessionIdContext: 'x', maxVersion: 'TLSv1.2' }, (socket) => {
        reasons.push(socket.authorizationError === undefined ? undefined : String(socket.authorizationError))
        socket.on('error', () => undefined).end(socket.authorized ? 'yes' : 'no')
      })
    const ask = async (port: number, who: Minted, session?: Buffer): Promise<{ readonly word: string; readonly session: Buffer | undefined; readonly reused: boolean }> =>
      new Promise((resolve, reject) => {
        let word = ''
        const socket: TLSSocket = connect({ host: '127.0.0.1', port, cert: who.cert, key: who.key, rejectUnauthorized: false, maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) })
        socket.setEncoding('utf8').on('data', (text: string) => (word += text))
        socket.once('end', () => resolve({ word, session: socket.getSession(), reused: socket.isSessionReused() }))
        socket.once('error', reject)
      })
    const before = makeServer()
    const beforePort = await listen(before)
    expect((await ask(beforePort, good)).word).toBe('yes')
    const first = await ask(beforePort, bad)
    expect(first.word).toBe('yes')
    await revoke(bad)
    await listed(bad)
    // A new list is a new context in Node: `server.setSecureContext` or a new server.
    const after = makeServer()
    const port = await listen(after)
    expect((await ask(port, good)).word).toBe('yes')
    expect((await ask(port, bad)).word).toBe('no')
    expect(reasons.at(-1)).toBe('CERT_REVOKED')
    const resumed = await ask(port, bad, first.session)
    expect(resumed).toMatchObject({ reused: true, word: 'yes' }) // which is why docs/verifiers.md says to turn tickets off
    before.close()
    after.close()
  })

  test('openssl verify -crl_check_all: good certificates pass under an empty list of every authority, revoked ones do not', async () => {
    const [good, bad] = [await mint(product, 'good'), await mint(product, 'bad')]
    const verify = (who: Minted): { readonly status: number | null; readonly said: string } => {
      writeFileSync(join(folder, 'leaf.pem'), who.cert)
      const { status, stdout, stderr } = spawnSync('openssl', ['verify', '-crl_check_all', '-x509_strict', '-CAfile', join(folder, 'crl/bundle.pem'), '-CRLfile', join(folder, 'crl/crl.pem'), join(folder, 'leaf.pem')], { encoding: 'utf8' })
      return { status, said: stdout + stderr }
    }
    expect(verify(good)).toMatchObject({ status: 0 })
    expect(verify(bad)).toMatchObject({ status: 0 })
    const prepared = await product.admin.unary('mayfly.v1.Authorities', 'Prepare', {})
    await until(() => existsSync(join(folder, 'crl', `${prepared.id}.crl`)))
    await revoke(bad)
    await listed(bad)
    expect(verify(good)).toMatchObject({ status: 0 })
    const refused = verify(bad)
    expect(refused.status).toBe(2)
    expect(refused.said).toContain('certificate revoked')
    await product.admin.unary('mayfly.v1.Authorities', 'Revoke', { id: prepared.id })
  })

  test('a server that is away for hours is no outage for who checks by lists', () => {
    const { nextUpdateMs } = parseCrl(readFileSync(join(folder, 'crl', firstList())))
    expect(nextUpdateMs - systemClock.nowMs()).toBeGreaterThan(22 * 3_600_000)
  })

  async function revoke({ serial }: Minted): Promise<void> {
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
  }

  function firstList(): string {
    return readdirSync(join(folder, 'crl')).find((name) => name.endsWith('.crl')) ?? ''
  }

  async function listed({ serial }: Minted): Promise<void> {
    await until(() => spawnSync('openssl', ['crl', '-in', join(folder, 'crl/crl.pem'), '-noout', '-text'], { encoding: 'utf8' }).stdout.toLowerCase().includes(serial.replace(/^00/, '')))
  }
})

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const over = AbortSignal.timeout(60_000); !(await holds()); ) await systemClock.sleep(50, over)
}
