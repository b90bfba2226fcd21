import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { connectTls, createTlsServer, exactly, parseSpiffeId, revocationUnchecked, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import type { PeerTerms } from '../../src/client/index.ts'
import { Product } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0
const api = 'spire.api.server.bundle.v1.Bundle' as const

/** What one trust domain knows of another. */
async function introduce(to: Product, of: Product): Promise<void> {
  const bundle = await of.admin.unary(api, 'GetBundle', {})
  const { results } = await to.admin.unary(api, 'BatchSetFederatedBundle', { bundle: [bundle] })
  expect(results).toMatchObject([{ status: { code: 0 } }])
}

/** A workload of that trust domain that federates with the other, and the socket of its agent. */
async function workload(product: Product, path: string, other: Product): Promise<{ readonly source: X509Source; readonly socket: string }> {
  const agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  const spiffeId = { trustDomain: product.trustDomain, path }
  const { results } = await product.admin.unary('mayfly.v1.Registry', 'CreateEntries', {
    entries: [{ entry: { spiffeId, parentId: { trustDomain: product.trustDomain, path: agentId.slice(`spiffe://${product.trustDomain}`.length) }, selectors: [{ type: 'unix', value: `uid:${uid}` }], federatesWith: [other.trustDomain] }, options: { keepOnExit: true } }],
  })
  expect(results).toMatchObject([{ status: { code: 0 } }])
  const source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  onTestFinished(async () => await source[Symbol.asyncDispose]())
  return { source, socket: agent.workloadSocket }
}

test("two trust domains of mayfly: a peer of the other is accepted by the other's own stream alone, refused and cut when the other revokes it, and gone with its bundle", async () => {
  await using here = await Product.start()
  await using there = await Product.start({ trustDomain: 'partner.example' })
  await Promise.all([introduce(here, there), introduce(there, here)])
  const [a, b] = await Promise.all([workload(here, '/a', there), workload(there, '/b', here)])
  const server = createTlsServer(b.source, { allow: exactly(parseSpiffeId('spiffe://example.org/a')), revocation: revocationUnchecked }, {}, (socket) => void socket.on('error', () => undefined).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP

  await using own = await startRevocationFeed(a.source)
  await using theirs = await startRevocationFeed(a.source, { trustDomain: there.trustDomain, sources: [{ unix: b.socket }] })
  await Promise.all([own.synced, theirs.synced])
  const plain: PeerTerms = { allow: exactly(parseSpiffeId('spiffe://partner.example/b')), revocation: own }
  const informed: PeerTerms = { ...plain, elsewhere: [{ trustDomain: there.trustDomain, revocation: theirs }], class: 'standard' }
  const call = async (terms: PeerTerms): Promise<TLSSocket> => await connectTls(a.source, terms, { host: '127.0.0.1', port })

  await expect(call(plain)).rejects.toMatchObject({ code: 'PEER_REFUSED', details: { verdict: 'unindexed' } })
  const socket = await call(informed)
  const cut = once(socket, 'error')
  await there.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://partner.example/b' }, reason: 'test', rotate: false, dryRun: false })
  expect(await cut).toMatchObject([{ code: 'PEER_REVOKED' }])

  const updated = new Promise<void>((resolve) => a.source.onUpdate(() => void (a.source.bundles.trustDomains.length === 1 && resolve())))
  await here.admin.unary(api, 'BatchDeleteFederatedBundle', { trustDomains: ['partner.example'], mode: 'DISSOCIATE' })
  await updated
  expect(a.source.bundles.trustDomains).toEqual(['example.org'])
})
