import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { RevocationChannel } from '../../src/client/revocation-channel.ts'
import { memberOf, startRevocationFeed, verifyX509Svid, X509Source } from '../../src/client/index.ts'
import { emptyChainHash } from '../../src/core/revocation/codec.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { secureContextOf } from '../../src/rpc/tls-context.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { main, node24 } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'
import { RelayProcess } from '../support/product/relay.ts'

const run = promisify(execFile)
const uid = process.geteuid?.() ?? 0

// Up to six processes a test, which start one after another.
vi.setConfig({ testTimeout: 180_000 })

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(120_000)
  while (!(await holds())) await systemClock.sleep(20, limit)
}

async function oneAgent(product: Product): Promise<{ readonly workloadSocket: string }> {
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: `spiffe://${product.trustDomain}/api`, parentId, selectors: [`unix:uid:${uid}`] }])
  return agent
}

test('a verifier behind two relays refuses what was revoked; its receipts reach the server, and it is waited for', async () => {
  await using product = await Product.start()
  const { workloadSocket } = await oneAgent(product)
  const { admin, trustDomain } = product
  await using first = await RelayProcess.start(join(product.dir, 'r1'), ['--upstream', `unix:${workloadSocket}`, '--listen', '127.0.0.1:0'])
  await using second = await RelayProcess.start(join(product.dir, 'r2'), ['--upstream', first.tlsAddress, '--workload-socket', workloadSocket, '--listen', 'plain:127.0.0.1:0'])
  await using source = await X509Source.start({ endpoint: `unix://${workloadSocket}` })
  await using overUnix = await startRevocationFeed(source, { class: 'strict', software: 'unix', sources: [{ unix: second.socket }] })
  await using overTls = await startRevocationFeed(source, { class: 'standard', software: 'tls', sources: [{ address: first.tlsAddress }, 'agent'] })
  await using inTheClear = await startRevocationFeed(source, { software: 'plain', sources: [{ plain: second.listening.find((place) => place.startsWith('plain:'))?.slice('plain:'.length) ?? '' }] })
  const feeds = [overUnix, overTls, inTheClear]
  await Promise.all(feeds.map(async ({ synced }) => synced))

  await until(async () => {
    const { verifiers, unregistered } = await admin.unary('mayfly.v1.Verifiers', 'List', {})
    return verifiers.length === 3 && verifiers.every(({ receiptAtMs }) => receiptAtMs > 0) && unregistered === 0
  })
  const key = PrivateKey.generate()
  const { svid } = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: [`spiffe://${trustDomain}/other`] })) })
  const verdicts = (): readonly string[] => feeds.map((feed) => verifyX509Svid(svid?.certChain ?? [], { bundles: source.bundles, allow: memberOf(trustDomain), revocation: feed, nowMs: Date.now() }).kind)
  expect(verdicts()).toEqual(['accepted', 'accepted', 'accepted'])
  const revoked = await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${trustDomain}/other` }, reason: 'test' })
  const steps = []
  for await (const step of admin.serverStream('mayfly.v1.Verifiers', 'AwaitReceipts', { epoch: revoked.epoch, seq: revoked.streamSeq })) steps.push(step)
  expect(steps.at(-1)).toMatchObject({ verifiers: 3, receipted: 3, done: true, pastLimit: [], uncovered: [] })
  expect(verdicts()).toEqual(['revoked', 'revoked', 'revoked'])

  expect(await first.status()).toMatchObject({ trustDomain, depth: 2, readers: 2, verifiers: 3, upstreams: [{ name: `unix:${workloadSocket}`, current: true, connected: true, leftFor: '' }] })
  expect(await second.status()).toMatchObject({ depth: 3, readers: 2, verifiers: 2, epoch: revoked.epoch, seq: revoked.streamSeq })
  const { stdout } = await run(node24, [main('src/cli'), 'relay', 'status', `unix:${second.socket}`])
  expect(stdout).toMatch(/^depth +3 relays from the server, this one counted$/m)
  expect(stdout).toContain(`${first.tlsAddress}: read from, `)

  await inTheClear[Symbol.asyncDispose]()
  await until(async () => (await admin.unary('mayfly.v1.Verifiers', 'List', {})).verifiers.length === 2)
  expect(await second.program.kill('SIGTERM')).toBe(0)
  await until(async () => (await admin.unary('mayfly.v1.Verifiers', 'List', {})).verifiers.every(({ software }) => software === 'tls'))
})

test('over TLS a relay serves members of its trust domain alone', async () => {
  await using product = await Product.start()
  await using foreign = await Product.start({ trustDomain: 'other.example' })
  const [own, theirs] = [await oneAgent(product), await oneAgent(foreign)]
  await using relay = await RelayProcess.start(join(product.dir, 'r1'), ['--upstream', `unix:${own.workloadSocket}`, '--listen', '127.0.0.1:0'])
  await using stranger = await X509Source.start({ endpoint: `unix://${theirs.workloadSocket}` })
  await using member = await X509Source.start({ endpoint: `unix://${own.workloadSocket}` })
  const outcomeOf = async (identity: X509Source | undefined): Promise<string> => {
    using channel = RpcChannel.connectTls({ address: relay.tlsAddress, clock: systemClock, context: () => secureContextOf(identity?.current()), verifyPeer: () => undefined })
    try {
      for await (const { frame } of new RevocationChannel(channel).frames({ epoch: 0, seq: 0, chainHash: emptyChainHash }, AbortSignal.timeout(5_000))) return frame.length > 0 ? 'served' : 'empty'
    } catch {
      return 'refused'
    }
    return 'ended'
  }
  await until(async () => (await outcomeOf(member)) === 'served')
  expect(await outcomeOf(undefined)).toBe('refused')
  expect(await outcomeOf(stranger)).toBe('refused')
})

test('relays that read from each other when the agent is gone find that out, and serve what they have, ageing', async () => {
  await using product = await Product.start()
  const { workloadSocket } = await oneAgent(product)
  const places = ['r1', 'r2'].map((name) => `unix:${join(product.dir, name, 'r')}`)
  await using first = await RelayProcess.start(join(product.dir, 'r1'), ['--upstream', `unix:${workloadSocket}`, '--upstream', places[1] ?? ''])
  await using second = await RelayProcess.start(join(product.dir, 'r2'), ['--upstream', places[0] ?? '', '--workload-socket', workloadSocket])
  await until(async () => (await second.status()).depth === 3)
  await product.agents[0]?.kill()
  await until(async () => (await first.status()).upstreams[1]?.leftFor === 'circle')
  await until(async () => (await second.status()).ageMs > 3_000)
  expect((await second.status()).seq).toBeGreaterThan(0)
})

test('a relay that must not start says why', async () => {
  const relayRun = async (...args: readonly string[]): Promise<string> => run(node24, [main('src/cli'), 'relay', 'run', '--check-config', ...args]).then(({ stdout }) => stdout, (error: { stderr: string }) => error.stderr)
  expect(await relayRun('--upstream', 'unix:/run/a.sock', '--listen', 'plain:0.0.0.0:8443')).toContain('in the clear only a loopback address is spoken to')
  expect(await relayRun('--upstream', 'relay-a:8443', '--listen', 'unix:/run/r.sock')).toContain('without the bundle the stream cannot be verified')
  expect(await relayRun('--upstream', 'relay-a:8443', '--listen', 'unix:/run/r.sock', '--trust-bundle', '/b.pem', '--trust-domain', 'example.org')).toContain('TLS needs the SVID')
  expect(await relayRun('--upstream', 'unix:/run/a.sock', '--listen', '0.0.0.0:8443')).toBe('')
})

test('a relay takes other upstreams over while it runs: its readers stay, and nothing is read twice from the beginning', async () => {
  await using product = await Product.start()
  const { workloadSocket } = await oneAgent(product)
  await using first = await RelayProcess.start(join(product.dir, 'r1'), ['--upstream', `unix:${workloadSocket}`])
  const file = join(product.dir, 'relay.yaml')
  writeFileSync(file, `upstreams: ['unix:${workloadSocket}']\n`)
  await using second = await RelayProcess.start(join(product.dir, 'r2'), ['--config', file])
  await using source = await X509Source.start({ endpoint: `unix://${workloadSocket}` })
  await using feed = await startRevocationFeed(source, { class: 'strict', sources: [{ unix: second.socket }] })
  await feed.synced
  expect((await second.status()).depth).toBe(2)

  writeFileSync(file, `upstreams: ['unix:${first.socket}']\nworkloadSocket: ${workloadSocket}\nlogLevel: debug\n`)
  process.kill(second.program.pid, 'SIGHUP')
  await until(async () => (await second.status()).depth === 3)
  expect(second.program.errors).toMatch(/"event":"config.reloaded","by":"SIGHUP","applied":\["logLevel","upstreams"\],"waiting":\[\]/)
  expect((await second.status()).readers).toBe(1)
  await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${product.trustDomain}/api` }, reason: 'test' })
  await until(async () => (await second.status()).seq === (await first.status()).seq && (await first.status()).seq > 0)

  writeFileSync(file, 'upstreams: [nowhere]\nlogLevel: loud\n')
  process.kill(second.program.pid, 'SIGHUP')
  await until(() => second.program.errors.includes('"event":"config.refused"'))
  expect((await second.status()).upstreams).toMatchObject([{ name: `unix:${first.socket}`, current: true }])
})
