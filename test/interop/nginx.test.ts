import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/system/clock.ts'
import { nginxProgram } from '../support/interop/nginx.ts'
import { listen } from '../support/listen.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { mint, type Minted } from '../support/product/mint.ts'
import { Product } from '../support/product/product.ts'

const nginx = nginxProgram()
if ('missing' in nginx) skipAloud(`the row of docs/verifiers.md on nginx: ${nginx.missing}`)

/** Seconds are what docs/verifiers.md says; a machine that is several times slower still passes. */
test.skipIf('missing' in nginx)('nginx with ssl_crl and the reload command: new handshakes refused seconds later, no session resumed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const home = join(folder, 'nginx')
  mkdirSync(home)
  const reload = join(folder, 'reload.sh')
  writeFileSync(reload, `#!/bin/sh\nif [ -s ${home}/pid ]; then kill -HUP "$(cat ${home}/pid)"; fi\n`, { mode: 0o755 })
  const config = join(folder, 'server.yaml')
  writeFileSync(config, `crl:\n  directory: ${folder}/crl\n  reload: [${reload}]\n`)
  await using product = await Product.start({ serverArgs: ['--config', config] })
  const [good, bad] = [await mint(product, 'good', { dns: ['localhost'] }), await mint(product, 'bad')]
  writeFileSync(join(home, 'cert.pem'), good.cert)
  writeFileSync(join(home, 'key.pem'), good.key)
  const port = await freePort()
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; pid ${home}/pid; error_log ${home}/error.log; worker_processes 1; events { worker_connections 64; }
http { access_log off; client_body_temp_path ${home}/b; proxy_temp_path ${home}/p; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${home}/cert.pem; ssl_certificate_key ${home}/key.pem; ssl_session_cache off; ssl_session_tickets off;
    ssl_client_certificate ${folder}/crl/bundle.pem; ssl_crl ${folder}/crl/crl.pem; ssl_verify_client on; location / { return 200 "hello"; } } }\n`,
  )
  const child = spawn('path' in nginx ? nginx.path : '', ['-p', home, '-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    await until(async () => (await status(port, good)) === 200)
    expect(await status(port, bad)).toBe(200)
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: bad.serial }, reason: 'test' })
    const revokedAtMs = systemClock.nowMs()
    await until(async () => (await status(port, bad)) === 400)
    expect(systemClock.nowMs() - revokedAtMs).toBeLessThan(60_000)
    expect(await status(port, good)).toBe(200)
    const first = await visit(port, good)
    expect((await visit(port, good, first.session)).isReused).toBe(false) // cache and tickets are off
  } finally {
    child.kill('SIGQUIT')
    await ended
  }
})

/** Of the answer; 0 for none. */
async function status(port: number, who: Minted): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, cert: who.cert, key: who.key, rejectUnauthorized: false }, (response) => resolve(response.resume().statusCode ?? 0))
    asked.once('error', () => resolve(0))
    asked.end()
  })
}

/** A finished request over TLS 1.2, offering a session where one is given. */
async function visit(port: number, who: Minted, session?: Buffer): Promise<{ readonly session: Buffer | undefined; readonly isReused: boolean }> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, cert: who.cert, key: who.key, rejectUnauthorized: false, maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) }, () => socket.write('GET / HTTP/1.0\r\n\r\n'))
    socket.on('data', () => undefined)
    socket.once('end', () => resolve({ session: socket.getSession(), isReused: socket.isSessionReused() }))
    socket.once('error', reject)
  })
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer({})
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const over = AbortSignal.timeout(120_000); !(await holds()); ) await systemClock.sleep(50, over)
}
