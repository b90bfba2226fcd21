import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { connectTls, createTlsServer, exactly, peerOf, startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0

test('a connection stays when the SVID that it was made with is renewed and expires, and is cut when its peer is revoked then', { timeout: 120_000 }, async () => {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  const [api, web] = ['api', 'web'].map((name) => parseSpiffeId(`spiffe://${product.trustDomain}/${name}`))
  if (api === undefined || web === undefined) throw new Error('two IDs')
  const selectors = [`unix:uid:${uid}`]
  await product.createEntries([{ spiffeId: api, parentId, selectors }, { spiffeId: web, parentId, selectors, ttlSeconds: 6 }])
  const endpoint = `unix://${agent.workloadSocket}`
  await using server = await X509Source.start({ endpoint, pick: { id: api } })
  await using client = await X509Source.start({ endpoint, pick: { id: web } })
  await using feed = await startRevocationFeed(server)
  await using ofClient = await startRevocationFeed(client)
  await Promise.all([feed.synced, ofClient.synced])

  const listener = createTlsServer(server, { allow: exactly(web), revocation: feed }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'secureConnection') as Promise<[object]> // what Node emits with it
  const socket = await connectTls(client, { allow: exactly(api), revocation: ofClient }, { host: '127.0.0.1', port: (listener.address() as AddressInfo).port })
  const [atServer] = await accepted
  const made = peerOf(atServer)
  expect(made?.id).toBe(web)
  const closed = once(socket.on('error', () => undefined).resume(), 'close')

  while (systemClock.nowMs() <= (made?.notAfterMs ?? 0) + 1_000) await systemClock.sleep(100, AbortSignal.timeout(30_000))
  while (client.current().serial === made?.serial) await systemClock.sleep(50, AbortSignal.timeout(30_000))
  expect(socket.destroyed).toBe(false)
  const { credentials } = await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: web }, reason: 'test' })
  expect(credentials).toBeGreaterThan(0)
  await closed
  listener.close()
})
