import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { generateHierarchy, type Member } from '../../certs/generate.ts'
import { connectTls, createTlsServer, memberOf, peerOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { toHex } from '../../src/core/bytes.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { verifyChain } from '../support/openssl.ts'
import { mint } from '../support/product/mint.ts'
import { node24, root as programs } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const service = 'mayfly.v1.Authorities'
const uid = process.getuid?.() ?? 0
const trustDomain = parseTrustDomain('example.org')

test('below an upstream root: an agent joins, workloads meet, openssl agrees, a second server below it is trusted, a tainted authority is replaced, a revoked one is listed by the root', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { root } = await generateHierarchy({ trustDomain, path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })
  const config = upstreamConfig(folder, root)
  await using product = await Product.start({ serverArgs: ['--config', config, '--crl-directory', join(folder, 'crl')] })
  const agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${uid}`] }])
  await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  await using feed = await startRevocationFeed(source)
  await feed.synced
  expect(source.bundles.authoritiesOf(trustDomain).map(({ certificate }) => toHex(certificate.raw))).toEqual([toHex(root.certificate)])
  expect(source.current().certificateChain).toHaveLength(2)

  const terms = { allow: memberOf(trustDomain), revocation: feed }
  const server = createTlsServer(source, terms, {}, (socket) => void socket.on('error', () => undefined).resume())
  onTestFinished(() => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const connection = await connectTls(source, terms, { host: '127.0.0.1', port })
  expect(peerOf(connection)?.id).toBe('spiffe://example.org/web')

  // openssl, which knows the root alone, and asks for the list of each authority
  const good = await mint(product, 'good')
  const opensslSays = (chain: readonly Uint8Array[]): string => verifyChain(folder, [root.certificate], chain, join(folder, 'crl/crl.pem'))
  expect(opensslSays(good.chain)).toBe('OK')

  // another server below the same root: no federation, no exchange of bundles
  {
    await using second = await Product.start({ serverArgs: ['--config', config] })
    const { chain } = await mint(second, 'elsewhere')
    expect(verifyChain(folder, [root.certificate], chain)).toBe('OK')
  }

  // tainted: the agent replaces what hangs on it, though the bundle stays as it is
  const [first] = (await product.admin.unary(service, 'List', {})).authorities
  const before = source.current()
  const updated = new Promise<void>((resolve) => void source.onUpdate((change) => {
    if (change.kind === 'updated' && change.svid.serial !== before.serial) resolve()
  }))
  await product.admin.unary(service, 'Taint', { id: first?.id ?? '', replaceActive: true, reason: 'test' })
  await updated
  expect(parseCertificate(source.current().certificateChain[0] ?? new Uint8Array(0)).issuer).not.toEqual(parseCertificate(before.certificateChain[0] ?? new Uint8Array(0)).issuer)
  expect(connection.destroyed).toBe(false)

  const closed = new Promise((resolve) => connection.once('close', resolve))
  await product.admin.unary(service, 'Revoke', { id: first?.id ?? '', reason: 'test' })
  await closed
  await until(() => opensslSays(good.chain.slice(1)).includes('certificate revoked'))
  expect(opensslSays(good.chain)).not.toBe('OK')
  const next = await mint(product, 'next')
  await until(() => opensslSays(next.chain) === 'OK')
  const again = await connectTls(source, terms, { host: '127.0.0.1', port })
  expect(peerOf(again)?.id).toBe('spiffe://example.org/web')
  again.destroy()
})

test('with the key of an intermediate alone, lists are published only when the root’s is given', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { root, intermediate } = await generateHierarchy({ trustDomain, path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })
  const config = upstreamConfig(folder, intermediate, root)
  await expect(Product.start({ serverArgs: ['--config', config, '--crl-directory', join(folder, 'crl')] })).rejects.toThrow('there is no list of what it revoked')
  await using product = await Product.start({ serverArgs: ['--config', config] })
  const { chain } = await mint(product, 'good')
  expect(chain).toHaveLength(3)
  expect(verifyChain(folder, [root.certificate], chain)).toBe('OK')
})

test('a restore below the same root: nobody vouches, for everybody knows the root; the agent comes back by itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { root } = await generateHierarchy({ trustDomain, path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })
  const config = upstreamConfig(folder, root)
  await using product = await Product.start({ serverArgs: ['--config', config] })
  await product.startAgent()
  const { chain: before } = await mint(product, 'before')
  await product.killServer('SIGTERM')
  const args = ['restore', '--in-place', '--config', config, '--data', join(product.dir, 'server'), '--trust-domain', trustDomain]
  const restored = JSON.parse(execFileSync(node24, [join(programs, 'server/recovery/main.ts'), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as Record<string, unknown> // what it promises
  expect(restored).toMatchObject({ authoritiesEnded: 1, vouchers: 1 })
  await product.startServer()
  const connected = async (): Promise<boolean> => (await product.admin.unary('mayfly.v1.Status', 'Get', {})).agentsConnected === 1
  for (const limit = AbortSignal.timeout(120_000); !(await connected()); ) await systemClock.sleep(100, limit)
  const { chain } = await mint(product, 'after')
  expect(parseCertificate(chain[1] ?? new Uint8Array(0)).subject).not.toEqual(parseCertificate(before[1] ?? new Uint8Array(0)).subject)
  expect(verifyChain(folder, [root.certificate], chain)).toBe('OK')
})

function upstreamConfig(folder: string, signer: Member, root?: Member): string {
  const keys = join(folder, 'upstream')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  write(keys, 'cert.pem', [signer.certificate])
  writeFileSync(join(keys, 'key.pem'), signer.key.toPem(), { mode: 0o600 })
  const bundle = root === undefined ? '' : `    bundlePath: ${write(keys, 'root.pem', [root.certificate])}\n`
  const path = join(folder, 'server.yaml')
  writeFileSync(path, `ca:\n  upstream:\n    certPath: ${join(keys, 'cert.pem')}\n    keyPath: ${join(keys, 'key.pem')}\n${bundle}`)
  return path
}

function write(folder: string, name: string, certificates: readonly Uint8Array[]): string {
  const path = join(folder, name)
  writeFileSync(path, encodeCertificatesPem(certificates))
  return path
}

async function until(done: () => boolean): Promise<void> {
  const limit = AbortSignal.timeout(120_000)
  while (!done()) await systemClock.sleep(50, limit)
}
