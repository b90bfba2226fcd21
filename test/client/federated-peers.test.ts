import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import type { PeerTerms } from '../../src/client/peer.ts'
import { peerOf } from '../../src/client/peer.ts'
import { startRevocationFeed } from '../../src/client/revocation.ts'
import { connectTls } from '../../src/client/tls-client.ts'
import { createTlsServer } from '../../src/client/tls-server.ts'
import type { X509Source } from '../../src/client/x509-source.ts'
import type { RevocationSource } from '../../src/verify/live-connections.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import { TestRevocations } from '../support/client/test-revocations.ts'
import { federated, startSource, TestDomain, TestWorkloadApi } from '../support/client/workload-api.ts'

const home = new TestDomain('example.test')
const abroad = new TestDomain('other.test')

async function sourceOf(domain: TestDomain, path: string, other: TestDomain): Promise<X509Source> {
  return await startSource(await TestWorkloadApi.start(federated(domain.response(path), other)))
}

/** A server abroad that takes anyone, and a call to it from home on these terms. */
async function call(terms: PeerTerms, here: X509Source, there: X509Source): Promise<TLSSocket> {
  const server = createTlsServer(there, { allow: () => true, revocation: revocationUnchecked }, {}, (socket) => void socket.on('error', () => undefined).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const socket = await connectTls(here, terms, { host: '127.0.0.1', port })
  onTestFinished(() => void socket.destroy())
  return socket
}

test('a peer of a federated trust domain is refused by whoever knows no revocations of it, accepted where its own stream is named, and cut when that revokes it', async () => {
  const [here, there] = [await sourceOf(home, '/a', abroad), await sourceOf(abroad, '/b', home)]
  const unindexed = { kind: 'unindexed', authorityId: authorityIdOf(parseCertificate(abroad.issuer.certificate).spki) } as const
  const own: RevocationSource = { check: () => unindexed, freshness: () => ({ ageMs: 0, aheadMs: 0, behindMs: 0 }), onRevoked: () => ({ [Symbol.dispose]: () => undefined }) }
  const terms = { allow: () => true, revocation: own }
  await expect(call(terms, here, there)).rejects.toMatchObject({ code: 'PEER_REFUSED', details: { verdict: 'unindexed' } })

  const theirs = new TestRevocations()
  const socket = await call({ ...terms, elsewhere: [{ trustDomain: abroad.trustDomain, revocation: theirs }] }, here, there)
  expect(peerOf(socket)).toMatchObject({ id: abroad.id('/b'), ageMs: 0 })
  const cut = once(socket, 'error')
  theirs.revoke(peerOf(socket)?.serial ?? '')
  expect(await cut).toMatchObject([{ code: 'PEER_REVOKED' }])

  const waived = await call({ ...terms, elsewhere: [{ trustDomain: abroad.trustDomain, revocation: revocationUnchecked }] }, here, there)
  expect(peerOf(waived)).toMatchObject({ id: abroad.id('/b'), class: undefined, ageMs: undefined })
})

test("the stream of another trust domain has a place of its own: the own agent's is not taken for it", async () => {
  const here = await sourceOf(home, '/a', abroad)
  await expect(startRevocationFeed(here, { trustDomain: abroad.trustDomain })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
