import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { mint } from '../support/product/mint.ts'
import { Program, type JsonLine } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const source = join(import.meta.dirname, 'python')
/** Nothing is written beside the programs. */
const noBytecode = { PYTHONDONTWRITEBYTECODE: '1' }
const environment = mkdtempSync(join(tmpdir(), 'mf-py-'))
const problem = install()
if (problem !== undefined) console.warn(`SKIPPED: interop with the PyPI package spiffe, because ${problem}`)

/** Makes an environment of its own with the pinned package; what hinders it, or `undefined`. */
function install(): string | undefined {
  try {
    execFileSync('python3', ['-m', 'venv', environment], { stdio: 'pipe' })
    execFileSync(join(environment, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', join(source, 'requirements.txt')], { stdio: 'pipe', timeout: 180_000 })
    return undefined
  } catch (error) {
    return `python3 with venv and its package registry cannot be had here: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''}`
  }
}

/** It sends its `:authority` percent-encoded, and retries at once when it is denied. */
describe.skipIf(problem !== undefined)('the PyPI package spiffe against a real mayfly', () => {
  let product: Product
  let agent: AgentProcess
  let parentId: string
  const uid = process.getuid?.() ?? 0
  const running: Program[] = []

  beforeAll(async () => {
    product = await Product.start()
    agent = await product.startAgent()
    parentId = (await product.agentIds())[0] ?? ''
  })

  afterAll(async () => {
    for (const program of running) await program.kill()
    await product[Symbol.asyncDispose]()
    rmSync(environment, { recursive: true, force: true })
  })

  function start(mode: string): Program {
    const program = new Program(join(environment, 'bin/python'), [join(source, 'workload.py'), mode], { env: { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` } })
    running.push(program)
    return program
  }

  /** Runs until it exits with success: the entry may not have reached the agent yet. */
  async function succeed(mode: string): Promise<readonly JsonLine[]> {
    for (let attempt = 0; ; attempt++) {
      const program = start(mode)
      if ((await program.ended()) === 0) return program.lines
      if (attempt === 20) throw new Error(JSON.stringify(program.lines) + program.errors)
    }
  }

  test('without an entry it is told that it may not', async () => {
    const denied = start('fetch')
    expect(await denied.ended()).toBe(1)
    expect(String((await denied.event('failed'))['message'])).toMatch(/PERMISSION_DENIED|[Pp]ermission|no identity/)
  })

  test('it fetches its SVID, whose signature its own cryptography verifies, and the bundle', async () => {
    await product.createEntries([{ spiffeId: 'spiffe://example.org/python', parentId, selectors: [`unix:uid:${uid}`], ttlSeconds: 6 }])
    expect((await succeed('fetch')).map((line) => line['id'])).toEqual(['spiffe://example.org/python'])
    expect(await succeed('bundles')).toMatchObject([{ event: 'bundle', trustDomain: 'example.org' }])
  })

  test('it follows rotation, is denied when revoked, and served again when enabled', async () => {
    const watcher = start('watch')
    const first = await watcher.event('update')
    await watcher.line((line) => line['event'] === 'update' && JSON.stringify(line['svids']) !== JSON.stringify(first['svids']))
    const target = { spiffeId: 'spiffe://example.org/python' }
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target, reason: 'interop' })
    const seen = watcher.lines.length
    const denied = start('fetch')
    expect(await denied.ended()).toBe(1)
    await product.admin.unary('mayfly.v1.Revocations', 'Enable', { target, reason: 'interop' })
    await watcher.event('update', seen)
    await watcher.kill('SIGTERM')
  })

  test('a verifier written from docs/revocation.md alone holds to its vectors', async () => {
    const program = new Program(join(environment, 'bin/python'), [join(source, 'verifier.py'), 'vectors', join(import.meta.dirname, '../vectors/revocation')], { env: noBytecode })
    running.push(program)
    expect(`${await program.ended()} ${program.errors}`).toBe('0 ')
    expect(Object.groupBy(program.lines, ({ event }) => String(event))).toMatchObject({ frame: { length: 8 }, refused: { length: 19 }, report: { length: 4 } })
  })

  test('and follows the stream of an agent: a peer is good until it is revoked, another stays', async () => {
    const [ended, other] = [await mint(product, 'ended'), await mint(product, 'other')]
    const paths = [ended, other].map(({ cert }, at) => {
      const path = join(environment, `peer-${at}.pem`)
      writeFileSync(path, cert)
      return path
    })
    const verifier = new Program(join(environment, 'bin/python'), [join(source, 'verifier.py'), 'watch', ...paths], { env: { ...noBytecode, SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` } })
    running.push(verifier)
    const says = async (...verdicts: readonly string[]): Promise<JsonLine> => await verifier.line((line) => line['event'] === 'confirmed' && JSON.stringify(line['verdicts']) === JSON.stringify(verdicts))
    await says('good', 'good')
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: ended.serial }, reason: 'interop' })
    await says('revoked', 'good')
    expect(verifier.lines.map(({ event }) => event).filter((event) => !['replaced', 'applied', 'confirmed', 'introduced', 'duplicate'].includes(String(event)))).toEqual([])
    await verifier.kill('SIGTERM')
  })
})
