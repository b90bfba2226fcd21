import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { generateHierarchy, type Member } from '../../certs/generate.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { Shell } from '../support/cli/transcript.ts'
import { Product } from '../support/product/product.ts'

describe('a running server and agent', () => {
  let product: Product
  let shell: Shell
  let folder: string
  let serverFile: string
  let agentFile: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mf-'))
    serverFile = join(folder, 'server.yaml')
    agentFile = join(folder, 'agent.yaml')
    writeFileSync(serverFile, 'logLevel: info\n')
    writeFileSync(agentFile, 'limits:\n  maxVerifiers: 5\n')
    product = await Product.start({ serverArgs: ['--config', serverFile] })
    const agent = await product.startAgent(['--config', agentFile])
    shell = new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket, MAYFLY_AGENT_SOCKET: agent.adminSocket })
  })
  afterAll(async () => {
    await product[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  test('take over what can change, and name what cannot', async () => {
    writeFileSync(serverFile, 'logLevel: debug\nca:\n  x509SvidTtl: 3m\ncrl:\n  listen: 127.0.0.1:0\n')
    expect(await shell.run('mayfly server reload')).toBe('in force: ca.x509SvidTtl, logLevel\nwaits for a restart: crl')
    writeFileSync(agentFile, 'limits:\n  maxVerifiers: 6\ncheckSocket: /tmp/mf-other.sock\n')
    expect(await shell.run('mayfly agent reload --json')).toBe('{"applied":["limits.maxVerifiers"],"waiting":["checkSocket"],"problems":[]}')
  })

  test('are changed by nothing in a file with a problem, and say every problem', async () => {
    writeFileSync(serverFile, 'logLevel: loud\nx: 1\n')
    const said = await shell.run('mayfly server reload')
    expect(said).toContain('logLevel: must be one of debug, info, warn, error')
    expect(said).toContain('server.yaml:2: x: unknown key')
    expect(said).toContain('[1]')
  })

  test('do the same at SIGHUP, go on serving, and the log says so', async () => {
    writeFileSync(serverFile, 'logLevel: info\nca:\n  x509SvidTtl: 4m\ncrl:\n  listen: 127.0.0.1:0\n')
    process.kill(product.server.pid, 'SIGHUP')
    await expect.poll(() => product.server.errors).toMatch(/"event":"config.reloaded","by":"SIGHUP","applied":\["ca.x509SvidTtl","logLevel"\]/)
    writeFileSync(serverFile, '{')
    process.kill(product.server.pid, 'SIGHUP')
    await expect.poll(() => product.server.errors).toContain('"event":"config.refused"')
    expect((await product.admin.unary('mayfly.v1.Status', 'Get', {})).trustDomain).toBe('example.org')
  })
})

test('a server below an upstream authority says whether its files are others now, and why they cannot be used', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const rootOf = async (): Promise<Member> => (await generateHierarchy({ trustDomain: parseTrustDomain('example.org'), path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })).root
  const [first, next] = [await rootOf(), await rootOf()]
  const [certPath, keyPath, config] = [join(folder, 'cert.pem'), join(folder, 'key.pem'), join(folder, 'server.yaml')]
  const put = ({ certificate }: Member, { key }: Member): void => {
    writeFileSync(certPath, encodeCertificatesPem([certificate]))
    writeFileSync(keyPath, key.toPem(), { mode: 0o600 })
  }
  put(first, first)
  writeFileSync(config, `ca:\n  upstream:\n    certPath: ${certPath}\n    keyPath: ${keyPath}\n`)
  await using product = await Product.start({ serverArgs: ['--config', config] })
  const shell = new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket })
  expect(await shell.run('mayfly server reload')).toBe('nothing that the server can change while it runs has changed')
  put(next, first)
  const refused = await shell.exec('mayfly server reload')
  expect([refused.code, refused.err]).toEqual([1, `mayfly: the upstream authority: ${keyPath} is not the key of the first certificate in ${certPath}; what was read before stays\n`])
  expect((await shell.exec('mayfly doctor')).out).toMatch(/^fail {2}server\.upstream .* is not the key of /m)
  put(next, next)
  expect(await shell.run('mayfly server reload')).toBe('in force: ca.upstream')
})
