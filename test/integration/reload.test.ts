import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

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
    expect(await shell.run('mayfly agent reload --json')).toBe('{"applied":["limits.maxVerifiers"],"waiting":["checkSocket"]}')
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
