import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'

import { systemClock } from '../../src/system/clock.ts'
import { nginxProgram } from '../support/interop/nginx.ts'
import { listen } from '../support/listen.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { main, node24, Program } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const nginx = nginxProgram()
if ('missing' in nginx) skipAloud(`nginx that reads SVID files: ${nginx.missing}`)

test.skipIf('missing' in nginx)('nginx reads SVID files, is told of each rotation by a signal, and drops no request; revoked, the files go', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [home, tls, config] = [join(folder, 'nginx'), join(folder, 'tls'), join(folder, 'server.yaml')]
  mkdirSync(home)
  writeFileSync(config, 'ca: { x509SvidTtl: 8s }\n')
  await using product = await Product.start({ serverArgs: ['--config', config] })
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  const spiffeId = `spiffe://${product.trustDomain}/web`
  await product.createEntries([{ spiffeId, parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  await using watch = new Program(node24, [main('src/cli'), 'svid', 'watch', '--json', '--dir', tls, '--as', '/web', '--socket', agent.workloadSocket, '--signal', 'HUP', '--pid-file', join(home, 'pid')])
  await watch.event('written')

  const port = await freePort()
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; pid ${home}/pid; error_log ${home}/error.log; worker_processes 1; events { worker_connections 256; }
http { access_log off; client_body_temp_path ${home}/b; proxy_temp_path ${home}/p; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${tls}/svid.pem; ssl_certificate_key ${tls}/key.pem; location / { return 200 "hello"; } } }\n`,
  )
  const child = spawn('path' in nginx ? nginx.path : '', ['-p', home, '-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    for (const over = AbortSignal.timeout(120_000); (await visit(port)) === undefined; ) await systemClock.sleep(50, over)
    const serials = new Set<string>()
    let [answered, dropped] = [0, 0]
    for (const over = AbortSignal.timeout(120_000); serials.size < 4; ) {
      const seen = await visit(port)
      if (seen === undefined) dropped++
      else serials.add(seen)
      answered++
      await systemClock.sleep(10, over)
    }
    expect(dropped).toBe(0)
    expect(answered).toBeGreaterThan(20)

    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId }, reason: 'test' })
    await watch.event('withdrawn')
    expect(readdirSync(tls).filter((name) => name !== '.lock')).toEqual([])
    expect(existsSync(join(tls, 'key.pem'))).toBe(false)
  } finally {
    child.kill('SIGQUIT')
    await ended
  }
})

/** The serial number of who answered 200 on a connection of its own; `undefined` for anything else. */
async function visit(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, rejectUnauthorized: false }, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate() // https gives no other
      resolve(response.resume().statusCode === 200 ? serialNumber : undefined)
    })
    asked.once('error', () => resolve(undefined))
    asked.end()
  })
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer({})
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}
