import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { decodePem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { leakStatement } from '../../src/core/leak.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { startServer, trustDomain } from '../support/server/test-server.ts'
import type { TestServer } from '../support/server/test-server.ts'

let folder = ''
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'mf-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function mint(admin: RpcChannel, path = '/job'): Promise<string> {
  const key = PrivateKey.generate()
  const { svid } = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: [`spiffe://example.org${path}`] })), ttl: 300 })
  return toHex(parseCertificate(svid?.certChain[0] ?? new Uint8Array(0)).serial).padStart(34, '0')
}

async function fetchCrl({ server }: TestServer, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`http://${server.crlAddress ?? ''}${path}`, { headers })
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(20, AbortSignal.timeout(15_000))
}

const on = (reload: readonly string[] = []): { config: { crl: { listen: { host: string; port: number }; directory: string; reload: readonly string[] } } } => ({ config: { crl: { listen: { host: '127.0.0.1', port: 0 }, directory: join(folder, 'crl'), reload } } })

test('each authority has a list, an empty one too, over HTTP and as files; a revocation is in it seconds later', async () => {
  const world = await startServer(on())
  const [first] = (await world.admin.unary('mayfly.v1.Authorities', 'List', {})).authorities
  const response = await fetchCrl(world, `/${first?.id ?? ''}.crl`)
  expect(response.headers.get('content-type')).toBe('application/pkix-crl')
  const empty = parseCrl(new Uint8Array(await response.arrayBuffer()))
  expect(empty.serials).toEqual([])
  expect(empty.nextUpdateMs - systemClock.nowMs()).toBeGreaterThan(86_000_000)
  expect((await fetchCrl(world, '/crl.pem', { 'if-none-match': (await fetchCrl(world, '/crl.pem')).headers.get('etag') ?? '' })).status).toBe(304)
  expect((await fetchCrl(world, '/bundle.pem')).status).toBe(200)
  expect((await fetchCrl(world, '/nothing')).status).toBe(404)

  const serial = await mint(world.admin)
  await world.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
  const file = join(folder, 'crl', `${first?.id ?? ''}.crl`)
  await until(() => parseCrl(readFileSync(file)).serials.length === 1)
  const list = parseCrl(readFileSync(file))
  expect(list.serials.map(toHex)).toEqual([toHex(Buffer.from(serial, 'hex'))])
  expect(list.number).toBeGreaterThan(empty.number)
  await until(() => parseCrl(decodePem('X509 CRL', readFileSync(join(folder, 'crl/crl.pem'), 'utf8'))).number === list.number)
  await until(() => !readdirSync(join(folder, 'crl')).some((name) => name.endsWith('.tmp'))) // the files after this one may be on their way

  const prepared = await world.admin.unary('mayfly.v1.Authorities', 'Prepare', {})
  await until(() => readdirSync(join(folder, 'crl')).includes(`${prepared.id}.crl`))
  expect(parseCrl(readFileSync(join(folder, 'crl', `${prepared.id}.crl`))).serials).toEqual([])
  await until(() => readFileSync(join(folder, 'crl/bundle.pem'), 'utf8').split('BEGIN').length === 3)
  await world.admin.unary('mayfly.v1.Authorities', 'Revoke', { id: prepared.id })
  await until(() => !readdirSync(join(folder, 'crl')).includes(`${prepared.id}.crl`))
})

test('what was replaced is listed as superseded, what leaked as compromised, and what was abandoned not at all', async () => {
  const world = await startServer(on())
  await mint(world.admin, '/rotated')
  await world.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/rotated' }, rotate: true, reason: 'test' })
  const key = PrivateKey.generate()
  await world.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: ['spiffe://example.org/leaked'] })), ttl: 300 })
  await world.admin.unary('mayfly.v1.Leaks', 'Report', { publicKey: Buffer.from(key.spki), signature: Buffer.from(key.sign(leakStatement(trustDomain, publicKeyHash(key.spki)))) })
  await until(() => parseCrl(decodePem('X509 CRL', readFileSync(join(folder, 'crl/crl.pem'), 'utf8'))).serials.length === 2)
  const text = spawnSync('openssl', ['crl', '-in', join(folder, 'crl/crl.pem'), '-noout', '-text'], { encoding: 'utf8' }).stdout
  expect(text).toContain('Superseded')
  expect(text).toContain('Key Compromise')
})

test('a restarted server lists the same and goes on counting, whatever its clock', async () => {
  const world = await startServer(on())
  const serial = await mint(world.admin)
  await world.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
  await until(() => parseCrl(decodePem('X509 CRL', readFileSync(join(folder, 'crl/crl.pem'), 'utf8'))).serials.length === 1)
  const before = parseCrl(decodePem('X509 CRL', readFileSync(join(folder, 'crl/crl.pem'), 'utf8')))
  await world.stop()
  const late = { ...systemClock, nowMs: () => systemClock.nowMs() - 5_000, bootMs: () => systemClock.bootMs(), sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms, signal) }
  const again = await startServer({ dataDir: world.dataDir, ...on(), deps: { clock: late } })
  const after = parseCrl(decodePem('X509 CRL', await (await fetchCrl(again, '/crl.pem')).text()))
  expect(after.serials.map(toHex)).toEqual(before.serials.map(toHex))
  expect(after.number).toBeGreaterThan(before.number)
})

test('the reload command runs after the files are there, and once for what comes together; a failing one is told of and tried again with the next change', async () => {
  const world = await startServer(on(['/bin/sh', '-c', `test -s ${folder}/crl/crl.pem && test -s ${folder}/crl/bundle.pem && echo ran >> ${folder}/reloads`]))
  const reloads = (): number => readFileSync(`${folder}/reloads`, 'utf8').split('\n').length - 1
  await until(() => readdirSync(folder).includes('reloads'))
  for (const serial of await Promise.all(Array.from({ length: 20 }, () => mint(world.admin)))) await world.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'test' })
  await until(() => parseCrl(decodePem('X509 CRL', readFileSync(join(folder, 'crl/crl.pem'), 'utf8'))).serials.length === 20)
  await until(() => reloads() >= 2)
  expect(reloads()).toBeLessThanOrEqual(4)

  rmSync(join(folder, 'crl'), { recursive: true })
  await world.stop()
  const failing = await startServer(on(['/bin/false']))
  await until(() => failing.log.facts.some(({ event }) => event === 'crl.reload_failed'))
})
