import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { generateHierarchy } from '../../certs/generate.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { buildGoWorkload } from '../support/interop/go-workload.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { Program } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const workload = buildGoWorkload()
if (workload === undefined) skipAloud('go-spiffe with other keys: there is no Go on this machine (1.24 or newer is needed)')
afterAll(() => workload?.[Symbol.dispose]())

/** Fetches with go-spiffe, which verifies what it gets; how many certificates its chain has. */
async function chainByGo(serverArgs: readonly string[], agentArgs: readonly string[] = []): Promise<unknown> {
  await using product = await Product.start({ serverArgs, agentArgs })
  const agent = await product.startAgent()
  const path = join(product.dir, 'go-workload')
  copyFileSync(workload?.path ?? '', path)
  chmodSync(path, 0o755)
  await product.createEntries([{ spiffeId: 'spiffe://example.org/go', parentId: (await product.agentIds())[0] ?? '', selectors: [`unix:path:${path}`] }])
  for (let attempt = 0; ; attempt++) {
    const program = new Program(path, ['fetch'], { env: { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` } })
    if ((await program.ended()) === 0) return program.lines[0]?.['chain']
    if (attempt === 20) throw new Error(JSON.stringify(program.lines) + program.errors)
  }
}

describe.skipIf(workload === undefined)('go-spiffe verifies', () => {
  for (const keyType of ['ec-p384', 'rsa-2048'] as const) {
    test(`an SVID under an authority of ${keyType}`, async () => {
      expect(await chainByGo(['--key-type', keyType])).toBe(1)
    })
  }

  test('an SVID with an RSA key of its own, three certificates below an upstream root', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { root, intermediate } = await generateHierarchy({ trustDomain: parseTrustDomain('example.org'), path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })
    const path = (name: string): string => join(folder, name)
    writeFileSync(path('cert.pem'), encodeCertificatesPem([intermediate.certificate]))
    writeFileSync(path('root.pem'), encodeCertificatesPem([root.certificate]))
    writeFileSync(path('key.pem'), intermediate.key.toPem(), { mode: 0o600 })
    writeFileSync(path('server.yaml'), `ca:\n  upstream:\n    certPath: ${path('cert.pem')}\n    keyPath: ${path('key.pem')}\n    bundlePath: ${path('root.pem')}\n`)
    writeFileSync(path('agent.yaml'), 'svidKeyType: rsa-2048\n')
    expect(await chainByGo(['--config', path('server.yaml')], ['--config', path('agent.yaml')])).toBe(3)
  })
})
