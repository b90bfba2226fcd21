import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTls, createTlsServer, memberOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { toHex } from '../../src/core/bytes.ts'
import { listen } from '../support/listen.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'

const uid = process.getuid?.() ?? 0
const trustDomain = parseTrustDomain('example.org')
/** Where nginx is: on the PATH, or named by MAYFLY_NGINX. */
const nginx = process.env['MAYFLY_NGINX'] ?? (spawnSync('nginx', ['-v']).error === undefined ? 'nginx' : undefined)

if (nginx === undefined) console.warn('nginx is not installed: its row of docs/verifiers.md is not run; MAYFLY_NGINX names one')

/** The rows of docs/verifiers.md, each as the page says. Seconds for what is seconds there. */
describe('the matrix of docs/verifiers.md', { timeout: 60_000 }, () => {
  let folder = ''
  let product: Product
  let agent: AgentProcess

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mf-'))
    mkdirSync(join(folder, 'nginx'))
    const reload = join(folder, 'reload.sh')
    writeFileSync(reload, `#!/bin/sh\nif [ -s ${folder}/nginx/pid ]; then kill -HUP "$(cat ${folder}/nginx/pid)"; fi\n`, { mode: 0o755 })
    const config = join(folder, 'server.yaml')
    writeFileSync(config, `crl:\n  directory: ${folder}/crl\n  reload: [${reload}]\n`)
    product = await Product.start({ serverArgs: ['--config', config] })
    agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId, selectors: [`unix:uid:${uid}`] }])
  })
  afterAll(async () => {
    await product[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  test('mayfly/client: new handshakes refused and live connections cut within a second; no session is resumed', async () => {
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
    expect((await cut) - committedAtMs).toBeLessThan(1_000)
    await replaced // the workload has another and goes on
    const again = await connectTls(source, terms, { host: '127.0.0.1', port })
    again.destroy()
    server.close()
  })

  test('Node’s own tls with crl: new handshakes refused seconds later; live connections stay; a resumed session is not checked', async () => {
    const [good, bad] = [await mint('/good'), await mint('/bad')]
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
    const [good, bad] = [await mint('/good'), await mint('/bad')]
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

  test.skipIf(nginx === undefined)('nginx with ssl_crl and the reload command: new handshakes refused seconds later', async () => {
    const [good, bad] = [await mint('/good'), await mint('/bad')]
    const home = join(folder, 'nginx')
    writeFileSync(join(home, 'cert.pem'), good.cert)
    writeFileSync(join(home, 'key.pem'), good.key)
    const port = await listenOnce()
    writeFileSync(
      join(home, 'nginx.conf'),
      `daemon off; pid ${home}/pid; error_log ${home}/error.log; worker_processes 1; events { worker_connections 64; }
http { access_log off; client_body_temp_path ${home}/b; proxy_temp_path ${home}/p; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${home}/cert.pem; ssl_certificate_key ${home}/key.pem; ssl_session_cache off; ssl_session_tickets off;
    ssl_client_certificate ${folder}/crl/bundle.pem; ssl_crl ${folder}/crl/crl.pem; ssl_verify_client on; location / { return 200 "hello"; } } }\n`,
    )
    const child = spawn(nginx ?? '', ['-p', home, '-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
    try {
      const status = async (who: Minted): Promise<number> =>
        new Promise((resolve) => {
          const asked = request({ host: '127.0.0.1', port, agent: false, cert: who.cert, key: who.key, rejectUnauthorized: false }, (response) => resolve(response.resume().statusCode ?? 0))
          asked.once('error', () => resolve(0))
          asked.end()
        })
      await until(async () => (await status(good)) === 200)
      expect(await status(bad)).toBe(200)
      await revoke(bad)
      const revokedAtMs = systemClock.nowMs()
      await until(async () => (await status(bad)) === 400)
      expect(systemClock.nowMs() - revokedAtMs).toBeLessThan(10_000)
      expect(await status(good)).toBe(200)
      const session = await sessionOf(port, good)
      expect((await sessionOf(port, good, session.session)).reused).toBe(false) // cache and tickets are off
    } finally {
      child.kill('SIGQUIT')
      await new Promise((resolve) => child.once('close', resolve))
    }
  })

  test('a server that is away for hours is no outage for who checks by lists', () => {
    const { nextUpdateMs } = parseCrl(readFileSync(join(folder, 'crl', firstList())))
    expect(nextUpdateMs - systemClock.nowMs()).toBeGreaterThan(22 * 3_600_000)
  })

  interface Minted {
    readonly cert: string
    readonly key: string
    readonly serial: string
  }

  async function mint(path: string): Promise<Minted> {
    const key = PrivateKey.generate()
    const csr = Buffer.from(buildCsr(key, { uris: [`spiffe://example.org${path}`], dns: ['localhost'] }))
    const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: 600 })
    const chain = svid?.certChain ?? []
    return { cert: encodeCertificatesPem(chain), key: key.toPem(), serial: toHex(parseCertificate(chain[0] ?? new Uint8Array(0)).serial).padStart(34, '0') }
  }

  /** Of a finished request over TLS 1.2, offering a session where one is given. */
  async function sessionOf(port: number, who: Minted, session?: Buffer): Promise<{ readonly session: Buffer | undefined; readonly reused: boolean }> {
    return new Promise((resolve, reject) => {
      const socket: TLSSocket = connect({ host: '127.0.0.1', port, cert: who.cert, key: who.key, rejectUnauthorized: false, maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) }, () => socket.write('GET / HTTP/1.0\r\n\r\n'))
      socket.on('data', () => undefined)
      socket.once('end', () => resolve({ session: socket.getSession(), reused: socket.isSessionReused() }))
      socket.once('error', reject)
    })
  }

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
  while (!(await holds())) await systemClock.sleep(50, AbortSignal.timeout(20_000))
}

/** A port that is free now. */
async function listenOnce(): Promise<number> {
  const server = createServer({})
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}
