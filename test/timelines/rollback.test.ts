import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileHeadStore, memberOf, startRevocationFeed, verifyX509Svid, X509Source } from '../../src/client/index.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { Shell } from '../support/cli/transcript.ts'
import { Product } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0
let product: Product

beforeAll(async () => {
  product = await Product.start()
})

afterAll(async () => product[Symbol.asyncDispose]())

test('a server whose database was copied back is noticed: after a restart of everything nobody on the node accepts what it revoked, and it issues nothing', async () => {
  const agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  const { trustDomain } = product
  await product.createEntries([{ spiffeId: `spiffe://${trustDomain}/api`, parentId: agentId, selectors: [`unix:uid:${uid}`] }])
  const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${trustDomain}/thief`] })), ttl: 600 })
  const chain = svid?.certChain ?? []
  const heads = fileHeadStore(join(product.dir, 'verifier-head.json'))

  // The attacker keeps a copy of the database from before the revocation.
  const data = join(product.dir, 'server')
  await product.killServer('SIGTERM')
  await cp(data, join(product.dir, 'copy'), { recursive: true, filter: (path) => !path.endsWith('.sock') })
  await product.startServer()

  {
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    await using feed = await startRevocationFeed(source, { heads, class: 'strict' })
    const judge = (): string => verifyX509Svid(chain, { bundles: source.bundles, allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs(), class: 'strict' }).kind
    await until(() => judge() === 'accepted')
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${trustDomain}/thief` }, reason: 'stolen' })
    await until(() => judge() === 'revoked')
  }
  await agent.kill('SIGTERM')
  await product.killServer('SIGKILL')
  await rm(data, { recursive: true })
  await cp(join(product.dir, 'copy'), data, { recursive: true })
  await product.startServer()
  await agent.start()

  // The agent shows the server what it signed; from then on that issues nothing, and is silent.
  await until(() => product.server.errors.includes('"event":"server.rolled_back"'))
  using checks = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
  const allow = [`spiffe://${trustDomain}/thief`]
  for (let look = 0; look < 15; look++) {
    expect(await checks.unary('mayfly.v1.Verifier', 'Check', { chain: chain.map((der) => Buffer.from(der)), class: 'strict', allow })).toMatchObject({ accepted: false, verdict: 'stale' })
    await systemClock.sleep(100, AbortSignal.timeout(1_000))
  }
  const again = { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: allow })), ttl: 600 }
  await expect(product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', again)).rejects.toMatchObject({ code: 'SERVER_ROLLED_BACK' })
  const doctor = await new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket, NODE_NO_WARNINGS: '1' }).exec('mayfly doctor')
  expect(doctor.code).toBe(1)
  expect(doctor.out).toMatch(/^fail {2}server\.history .* it issues nothing, and its stream is silent\n +→ stop it and run: mayfly server restore --in-place/m)
  expect(doctor.out).toMatch(/^ok {4}server\.serving/m)
})

async function until(holds: () => boolean): Promise<void> {
  const over = AbortSignal.timeout(60_000)
  while (!holds()) await systemClock.sleep(20, over)
}
