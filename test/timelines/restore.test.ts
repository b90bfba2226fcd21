import { execFile } from 'node:child_process'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileHeadStore, memberOf, startRevocationFeed, verifyX509Svid, X509Source, type RevocationFeed } from '../../src/client/index.ts'
import { sealFrame } from '../../src/core/revocation/frame.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { node24, root } from '../support/product/process.ts'
import { authority, nowMs, streamSigner } from '../support/verify/certificates.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0
let product: Product
let agent: AgentProcess

beforeEach(async () => {
  product = await Product.start()
  agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: `spiffe://${product.trustDomain}/api`, parentId: agentId, selectors: [`unix:uid:${uid}`] }])
})

afterEach(async () => product[Symbol.asyncDispose]())

/** A verifier on the node: what it says of a chain, strictly. */
async function verifier(): Promise<AsyncDisposable & { judge(chain: readonly Uint8Array[]): string; readonly source: X509Source; readonly feed: RevocationFeed }> {
  const source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  const feed = await startRevocationFeed(source, { heads: fileHeadStore(join(product.dir, 'verifier-head.json')), class: 'strict' })
  return {
    source,
    feed,
    judge: (chain) => verifyX509Svid(chain, { bundles: source.bundles, allow: memberOf(product.trustDomain), revocation: feed, nowMs: systemClock.nowMs(), class: 'strict' }).kind,
    [Symbol.asyncDispose]: async () => {
      await feed[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    },
  }
}

async function mint(name: string): Promise<readonly Uint8Array[]> {
  const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${product.trustDomain}/${name}`] })), ttl: 600 })
  return svid?.certChain ?? []
}

async function revoke(name: string): Promise<void> {
  await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${product.trustDomain}/${name}` }, reason: 'stolen' })
}

async function recover(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await promisify(execFile)(node24, [join(root, 'server/recovery/main.ts'), ...args])
  return JSON.parse(stdout) as Record<string, unknown>
}

async function status(): Promise<{ readonly epoch: number; readonly rolledBack: unknown }> {
  return await product.admin.unary('mayfly.v1.Status', 'Get', {})
}

test('a database that was copied back: the server finds out from its agent, issues nothing, is restored in place, and agent and verifier come back by themselves', async () => {
  const data = join(product.dir, 'server')
  await product.killServer('SIGTERM')
  await cp(join(data, 'mayfly.db'), join(product.dir, 'copy.db'))
  await product.startServer()
  const before = await status()
  const stolen = await mint('thief')
  const kept = await mint('kept')
  await using checks = await verifier()
  await until(() => checks.judge(stolen) === 'accepted')
  await revoke('thief')
  await until(() => checks.judge(stolen) === 'revoked')

  // An agent that is away meanwhile, and everything else starts anew.
  await product.killServer()
  for (const suffix of ['', '-wal', '-shm']) await rm(join(data, `mayfly.db${suffix}`), { force: true })
  await cp(join(product.dir, 'copy.db'), join(data, 'mayfly.db'))
  await product.startServer()
  await untilAsync(async () => (await status()).rolledBack !== null)
  await expect(mint('other')).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK', hint: expect.stringContaining('restore --in-place') })
  const health = await product.admin.unary('grpc.health.v1.Health', 'List', {})
  expect(health.statuses).toMatchObject({ 'spire.api.server.svid.v1.SVID': { status: 'NOT_SERVING' }, 'mayfly.v1.RevocationStream': { status: 'NOT_SERVING' }, '': { status: 'SERVING' } })
  await product.killServer('SIGTERM')
  await product.startServer() // it remembers
  await expect(mint('other')).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK' })
  expect(checks.judge(stolen)).not.toBe('accepted')

  await product.killServer('SIGTERM')
  const report = await recover('restore', '--in-place', '--data', data, '--reason', 'copied back')
  expect(report).toMatchObject({ authoritiesEnded: 1, vouchers: 1 })
  await product.startServer()
  const after = await status()
  expect(after.rolledBack).toBeNull()
  expect(after.epoch).toBeGreaterThan(before.epoch)
  await until(() => checks.feed.position.epoch === after.epoch)
  await untilAsync(async () => checks.judge(checks.source.svids.at(0)?.certificateChain ?? []) === 'accepted')
  for (const chain of [stolen, kept]) expect(checks.judge(chain)).not.toBe('accepted')
  expect(await product.agentIds()).toHaveLength(1)
  const fresh = await mint('fresh')
  await until(() => checks.judge(fresh) === 'accepted')
  await revoke('fresh')
  await until(() => checks.judge(fresh) === 'revoked')
})

test('a server that is lost with its disk goes on from a backup that was made while it issued: nothing that was revoked since is accepted, and the agent needs no token', async () => {
  const data = join(product.dir, 'server')
  const backup = join(product.dir, 'backup')
  let done = false
  const issuing = (async () => {
    let minted = 0
    while (!done) {
      await mint(`busy${minted % 10}`)
      minted++
    }
    return minted
  })()
  const made = await product.admin.unary('mayfly.v1.Backups', 'Create', { to: backup })
  done = true
  expect(await issuing).toBeGreaterThan(0)
  expect(made).toMatchObject({ keys: 1 })
  await expect(product.admin.unary('mayfly.v1.Backups', 'Create', { to: backup })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  const stolen = await mint('thief')
  await using checks = await verifier()
  await until(() => checks.judge(stolen) === 'accepted')
  await revoke('thief')
  await until(() => checks.judge(stolen) === 'revoked')
  const unspent = await product.joinLine()

  await product.killServer()
  await rm(data, { recursive: true })
  const report = await recover('restore', '--from', backup, '--data', data)
  expect(report).toMatchObject({ authoritiesEnded: 1, vouchers: 1, trustDomain: product.trustDomain })
  await product.startServer()
  const { epoch } = await status()
  await until(() => checks.feed.position.epoch === epoch)
  await untilAsync(async () => checks.judge(checks.source.svids.at(0)?.certificateChain ?? []) === 'accepted')
  expect(checks.judge(stolen)).not.toBe('accepted')
  expect(await product.agentIds()).toHaveLength(1)
  await expect(AgentClient.join(unspent.line)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
})

test('an authority that came after the backup is no obstacle: an agent whose SVID it signed shows what vouched for it, and comes back', async () => {
  const backup = join(product.dir, 'backup')
  await product.admin.unary('mayfly.v1.Backups', 'Create', { to: backup })
  const { authorities } = await product.admin.unary('mayfly.v1.Authorities', 'List', {})
  const next = await product.admin.unary('mayfly.v1.Authorities', 'Prepare', {})
  await product.admin.unary('mayfly.v1.Authorities', 'Activate', { id: next.id, force: true })
  await product.admin.unary('mayfly.v1.Authorities', 'Taint', { id: authorities[0]?.id ?? '' })
  await until(() => (agent.program?.errors ?? '').includes('"event":"agent.renewed"'))
  const stolen = await mint('thief')
  await using checks = await verifier()
  await until(() => checks.judge(stolen) === 'accepted')
  await revoke('thief')
  await until(() => checks.judge(stolen) === 'revoked')

  const data = join(product.dir, 'server')
  await product.killServer()
  for (const suffix of ['', '-wal', '-shm']) await rm(join(data, `mayfly.db${suffix}`), { force: true })
  await cp(join(backup, 'mayfly.db'), join(data, 'mayfly.db'))
  await product.startServer() // copied back to before the rotation: it still finds out
  await untilAsync(async () => (await status()).rolledBack !== null)
  await product.killServer()
  await recover('restore', '--in-place', '--data', data)
  await product.startServer()
  const { epoch } = await status()
  await until(() => checks.feed.position.epoch === epoch)
  await until(() => checks.judge(checks.source.svids.at(0)?.certificateChain ?? []) === 'accepted')
  expect(checks.judge(stolen)).not.toBe('accepted')
  expect(await product.agentIds()).toHaveLength(1)
})

test('an agent that lies about the stream stops nothing, and one that joined since the backup needs a token', async () => {
  const backup = join(product.dir, 'backup')
  await product.admin.unary('mayfly.v1.Backups', 'Create', { to: backup })
  using liar = await AgentClient.join((await product.joinLine()).line)
  const { epoch } = await status()
  const forged = forgedHead(epoch + 1)
  const stop = new AbortController()
  const hello = async function* (): AsyncGenerator<{ hello: object }> {
    yield { hello: { agentVersion: 'liar', position: { epoch: epoch + 1, seq: 9, chainHash: Buffer.alloc(32) }, newest: forged } }
  }
  const told = (async () => {
    for await (const _ of liar.channel.bidi('mayfly.v1.Sync', 'Connect', hello(), { signal: stop.signal })) if (product.server.errors.includes('revocation.head_unproven')) return
  })()
  await until(() => product.server.errors.includes('revocation.head_unproven'))
  stop.abort()
  await told.catch(() => undefined) // it was aborted
  expect((await status()).rolledBack).toBeNull()
  expect(await mint('still')).toHaveLength(1)

  const data = join(product.dir, 'server')
  await product.killServer()
  await rm(data, { recursive: true })
  await recover('restore', '--from', backup, '--data', data)
  await product.startServer()
  using again = AgentClient.withSvid(product.address, liar.id, liar.key, liar.chain)
  const csr = Buffer.from(buildCsr(PrivateKey.generate()))
  await expect(again.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr } })).rejects.toMatchObject({ code: 'AGENT_NOT_ATTESTED' })
})

test('an agent whose SVID was revoked does not come back with it, and after a restore with --agents-join none does', async () => {
  const renew = async (client: AgentClient): Promise<unknown> => await client.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: Buffer.from(buildCsr(PrivateKey.generate())) } })
  const restoreInPlace = async (...more: readonly string[]): Promise<void> => {
    await product.killServer('SIGTERM')
    await recover('restore', '--in-place', '--data', join(product.dir, 'server'), ...more)
    await product.startServer()
  }
  const joined = [await AgentClient.join((await product.joinLine()).line), await AgentClient.join((await product.joinLine()).line)] as const
  const [good, bad] = joined
  const serial = Buffer.from(parseCertificate(bad.chain[0] ?? new Uint8Array(0)).serial).toString('hex')
  await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'lost' })
  for (const client of joined) client[Symbol.dispose]()
  await restoreInPlace()
  {
    using again = AgentClient.withSvid(product.address, good.id, good.key, good.chain)
    expect(await renew(again)).toMatchObject({ svid: { id: { path: new URL(good.id).pathname } } })
    using still = AgentClient.withSvid(product.address, bad.id, bad.key, bad.chain)
    await expect(renew(still)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  }
  await restoreInPlace('--agents-join')
  using third = AgentClient.withSvid(product.address, good.id, good.key, good.chain)
  await expect(renew(third)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})

/** A head that nobody but its forger vouches for. */
function forgedHead(epoch: number): { frame: Buffer; signerChain: Buffer[] } {
  const signer = streamSigner(authority('forger'))
  const frame = { kind: 'heartbeat' as const, epoch, seq: 9, chainHash: new Uint8Array(32), signedAtMs: nowMs, floorMinute: 0, complete: true, root: new Uint8Array(32) }
  return { frame: Buffer.from(sealFrame(frame, publicKeyHash(signer.key.spki), (bytes) => signer.key.sign(bytes))), signerChain: [Buffer.from(signer.der)] }
}

async function until(holds: () => boolean): Promise<void> {
  await untilAsync(async () => holds())
}

async function untilAsync(holds: () => Promise<boolean>): Promise<void> {
  const over = AbortSignal.timeout(120_000)
  while (!(await holds())) {
    await systemClock.sleep(50, over).catch(() => {
      throw new Error(`it did not come to hold\nagent: ${agent.program?.errors.slice(-6_000) ?? ''}\nserver: ${product.server.errors.slice(-3_000)}`)
    })
  }
}
