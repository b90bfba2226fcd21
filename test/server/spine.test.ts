import { expect, test } from 'vitest'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { startServer } from '../support/server/test-server.ts'

test('an agent joins with a token, is given its entry, and gets an SVID for it', async () => {
  const { admin, join, createEntries } = await startServer()
  const agent = await join()
  expect(agent.id).toMatch(/^spiffe:\/\/example\.org\/spire\/agent\/join_token\/[0-9a-f-]{36}$/)
  const [entryId] = await createEntries(agent.id, ['/web'])
  const { entries } = await agent.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  expect(entries.map(({ id }) => id)).toEqual([entryId])
  const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: entryId ?? '', csr: buildCsr(PrivateKey.generate()) }] })
  expect(results[0]?.status).toMatchObject({ code: 0 })
  const leaf = parseCertificate(results[0]?.svid?.certChain[0] ?? new Uint8Array(0))
  expect(leaf.extensions.subjectAltName?.uris).toEqual(['spiffe://example.org/web'])
  const status = await admin.unary('mayfly.v1.Status', 'Get', {})
  expect(status).toMatchObject({ trustDomain: 'example.org', entries: 1, agents: 1, liveCredentials: 3 })
})
