import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { skipAloud } from '../support/processes/processes.ts'
import { node24, Program } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const built = mkdtempSync(join(tmpdir(), 'mf-go-'))
const problem = build()
if (problem !== undefined) skipAloud(`delegated identity with SPIRE's own client, because ${problem}`)

/** Builds the delegate with the machine's Go; what hinders it, or `undefined`. */
function build(): string | undefined {
  try {
    execFileSync('go', ['version'], { stdio: 'pipe' })
  } catch {
    return 'there is no Go on this machine (1.24 or newer is needed)'
  }
  execFileSync('go', ['build', '-o', join(built, 'delegate'), './delegate'], { cwd: join(import.meta.dirname, 'go'), stdio: 'pipe', env: { ...process.env, CGO_ENABLED: '0' } })
  return undefined
}

describe.skipIf(problem !== undefined)("SPIRE's client of the delegated identity API, on the admin socket of a mayfly agent", () => {
  let product: Product
  let agent: AgentProcess
  let proxy: string
  let entries: readonly string[]

  beforeAll(async () => {
    product = await Product.start({ agentArgs: ['--config', configOf('authorizedDelegates: [spiffe://example.org/proxy]\n')] })
    agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    proxy = installed('proxy')
    entries = await product.createEntries([
      { spiffeId: 'spiffe://example.org/proxy', parentId, selectors: [`unix:path:${proxy}`] },
      { spiffeId: 'spiffe://example.org/web', parentId, selectors: ['k8s:ns:shop', 'k8s:sa:web'] },
      { spiffeId: 'spiffe://example.org/job', parentId, selectors: [`unix:path:${node24}`] },
    ])
  })

  afterAll(async () => {
    await product[Symbol.asyncDispose]()
    rmSync(built, { recursive: true, force: true })
  })

  function installed(name: string): string {
    const path = join(product.dir, name)
    copyFileSync(join(built, 'delegate'), path)
    chmodSync(path, 0o755)
    return path
  }

  function started(path: string, ...args: readonly string[]): Program {
    const program = new Program(path, [agent.adminSocket, ...args])
    onTestFinished(async () => void (await program.kill()))
    return program
  }

  test('it gets the identity for the selectors it gives, verified by the bundle it gets, the next one when that is revoked, and nothing when the entry goes', async () => {
    const delegate = started(proxy, 'k8s:ns:shop', 'k8s:sa:web', 'k8s:pod-name:web-1')
    const first = await delegate.event('svids')
    expect(first).toMatchObject({ ids: ['spiffe://example.org/web'] })
    const [serial = ''] = first['serials'] as readonly string[] // the program above wrote it
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: serial.padStart(34, '0') }, reason: 'test' })
    await delegate.line((line) => Array.isArray(line['serials']) && line['serials'].length === 1 && line['serials'][0] !== serial)
    await product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [entries[1] ?? ''] })
    await delegate.line((line) => Array.isArray(line['ids']) && line['ids'].length === 0)
  })

  test('it gets the identity of a process that it names, until that ends', async () => {
    await using workload = new Program(node24, ['-e', 'setInterval(() => undefined, 1e6)'])
    const delegate = started(proxy, String(workload.pid))
    expect(await delegate.event('svids')).toMatchObject({ ids: ['spiffe://example.org/job'] })
    await workload.kill()
    expect(await delegate.event('ended')).toMatchObject({ status: 'PermissionDenied' })
  })

  test('another program is refused, and so is the delegate once it is disabled', async () => {
    expect(await started(installed('other'), 'k8s:ns:shop').event('ended')).toMatchObject({ status: 'PermissionDenied' })
    const delegate = started(proxy, 'k8s:ns:none')
    expect(await delegate.event('svids')).toMatchObject({ ids: [] })
    await product.admin.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId: entries[0] ?? '' }, reason: 'test' })
    expect(await delegate.event('ended')).toMatchObject({ status: 'PermissionDenied' })
  })

  test('Debug tells an administrator who the agent is, by what chain, and since when', async () => {
    const info = await started(proxy).event('info')
    const [id = ''] = await product.agentIds()
    expect(info).toMatchObject({ chain: [id.slice('spiffe://'.length), 'example.org'] })
    expect(Number(info['lastSync'])).toBeGreaterThan(1_700_000_000)
    expect(Number(info['uptime'])).toBeGreaterThanOrEqual(0)
  })
})

function configOf(text: string): string {
  const path = join(built, 'agent.yaml')
  writeFileSync(path, text)
  return path
}
