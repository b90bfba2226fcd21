import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { connectTls, createTlsServer, memberOf, peerOf, startRevocationFeed, verifyX509Svid, X509Source } from '../../src/client/index.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { Product } from '../support/product/product.ts'

const service = 'mayfly.v1.Authorities'
const uid = process.getuid?.() ?? 0
const trustDomain = parseTrustDomain('example.org')

describe('the end of an authority, with real processes', () => {
  test('a taint has the agent replace its own SVID and those of its workloads, connections stay; a revocation cuts what is left and is refused everywhere', async () => {
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [agentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${uid}`] }])
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    await using feed = await startRevocationFeed(source)
    await feed.synced
    const terms = { allow: memberOf(trustDomain), revocation: feed }
    const server = createTlsServer(source, terms, {}, (socket) => void socket.on('error', () => undefined).resume())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const connection = await connectTls(source, terms, { host: '127.0.0.1', port })
    const before = source.current()
    const bundlesBefore = source.bundles
    const agentSerial = await serialOfAgent(product)

    const [first] = (await product.admin.unary(service, 'List', {})).authorities
    const prepared = await product.admin.unary(service, 'Prepare', {})
    await until(async () => (await product.admin.unary(service, 'List', {})).authorities.some(({ id, acknowledged }) => id === prepared.id && acknowledged))
    await product.admin.unary(service, 'Activate', { id: prepared.id })
    expect(source.current().serial).toBe(before.serial) // an old authority alone replaces nothing
    const updated = new Promise<void>((resolve) => void source.onUpdate((change) => {
      if (change.kind === 'updated' && change.svid.serial !== before.serial) resolve()
    }))
    const taintedAtMs = systemClock.nowMs()
    await product.admin.unary(service, 'Taint', { id: first?.id ?? '', reason: 'test' })
    await updated
    const replacedMs = systemClock.nowMs() - taintedAtMs
    expect(replacedMs).toBeLessThan(30_000) // long before its renewal
    expect(parseCertificate(source.current().certificateChain[0] ?? new Uint8Array(0)).issuer).not.toEqual(parseCertificate(before.certificateChain[0] ?? new Uint8Array(0)).issuer)
    await until(async () => (await serialOfAgent(product)) !== agentSerial)
    await until(async () => (await product.admin.unary(service, 'List', {})).authorities.every(({ state, notReplaced, liveCredentials }) => state !== 'tainted' || (notReplaced === 0 && liveCredentials > 0)))
    expect(connection.destroyed).toBe(false)
    expect(verifyX509Svid(before.certificateChain, { bundles: bundlesBefore, allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs() }).kind).toBe('accepted')

    const closed = new Promise((resolve) => connection.once('close', resolve))
    await product.admin.unary(service, 'Revoke', { id: first?.id ?? '', reason: 'test' })
    await closed
    await until(async () => source.bundles.authoritiesOf(trustDomain).length === 1)
    const verdict = verifyX509Svid(before.certificateChain, { bundles: bundlesBefore, allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs() })
    expect(verdict).toMatchObject({ kind: 'authority_revoked', authorityId: first?.id })
    expect(verifyX509Svid(before.certificateChain, { bundles: source.bundles, allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs() }).kind).toBe('untrusted')

    // The agent and its workloads live on under the next one.
    const again = await connectTls(source, terms, { host: '127.0.0.1', port })
    expect(peerOf(again)?.id).toBe('spiffe://example.org/web')
    again.destroy()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/late', parentId: agentId, selectors: ['unix:uid:4001'] }])
    await until(async () => (await product.admin.unary('mayfly.v1.Status', 'Get', {})).agentsConnected === 1) // its connection of before was under the first
    server.close()
  })
})

describe('an authority revoked at once, with all that hangs on it', () => {
  test('verifiers on a node whose agent hangs on it hear of it before that agent is cut off; the agent is refused from then on', async () => {
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [agentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${uid}`] }])
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    await using feed = await startRevocationFeed(source)
    await feed.synced
    const chain = source.current().certificateChain
    const { bundles } = source
    const [first] = (await product.admin.unary(service, 'List', {})).authorities
    const { authority } = await product.admin.unary(service, 'Revoke', { id: first?.id ?? '', replaceActive: true, expect: { value: 3 }, reason: 'test' })
    expect(authority).toMatchObject({ state: 'revoked' })
    await until(async () => verifyX509Svid(chain, { bundles, allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs() }).kind === 'authority_revoked')
    await until(async () => (await product.admin.unary('mayfly.v1.Status', 'Get', {})).agentsConnected === 0)
    expect((await product.admin.unary(service, 'List', {})).authorities.find(({ state }) => state === 'active')).toBeDefined()
  })
})

describe('a taint over faults', () => {
  test('a server killed in the middle of it, and an agent that was away, replace all the same', async () => {
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [agentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${uid}`] }])
    await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    const before = source.current().serial
    const agentSerial = await serialOfAgent(product)
    const [first] = (await product.admin.unary(service, 'List', {})).authorities
    await agent.kill()
    const tainted = product.admin.unary(service, 'Taint', { id: first?.id ?? '', replaceActive: true }).catch(() => undefined)
    await systemClock.sleep(3, AbortSignal.timeout(1_000))
    await product.killServer()
    await tainted
    await product.startServer()
    const { authorities } = await product.admin.unary(service, 'List', {})
    if (authorities.find(({ id }) => id === first?.id)?.state !== 'tainted') await product.admin.unary(service, 'Taint', { id: first?.id ?? '', replaceActive: true })
    await until(async () => (await product.admin.unary(service, 'List', {})).authorities.some(({ id, state }) => state === 'active' && id !== first?.id))
    await agent.start()
    await until(async () => (await serialOfAgent(product)) !== agentSerial)
    await until(async () => source.current().serial !== before)
    await until(async () => (await product.admin.unary(service, 'List', {})).authorities.every(({ state, notReplaced }) => state !== 'tainted' || notReplaced === 0))
  })
})

async function serialOfAgent(product: Product): Promise<string> {
  const { agents } = await product.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { pageSize: 10 })
  return agents[0]?.x509svidSerialNumber ?? ''
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(20, AbortSignal.timeout(20_000))
}
