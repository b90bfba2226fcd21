import { expect, test } from 'vitest'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { attest, attestOnce, startServer } from '../../support/server/test-server.ts'
import type { TestServer } from '../../support/server/test-server.ts'

async function token({ admin }: TestServer, ttl = 600): Promise<string> {
  return (await admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl })).value
}

test('a token that was used is refused, with what to do', async () => {
  const server = await startServer()
  const value = await token(server)
  await attest(server.tls(), server.tls, value)
  await expect(attest(server.tls(), server.tls, value)).rejects.toMatchObject({ code: 'TOKEN_INVALID', hint: expect.stringContaining('mayfly token create') })
})

test('of twenty that show one token at once, one joins', async () => {
  const server = await startServer()
  const value = await token(server)
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => attest(server.tls(), server.tls, value)))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'TOKEN_INVALID' })
  expect(await server.admin.unary('spire.api.server.agent.v1.Agent', 'CountAgents', {})).toEqual({ count: 1 })
})

test('the store and the logs know a token by its hash alone, and the agent is not named by it', async () => {
  const server = await startServer()
  const value = await token(server)
  const agent = await attest(server.tls(), server.tls, value)
  expect(agent.id).not.toContain(value)
  expect(JSON.stringify(server.log.facts)).not.toContain(value)
})

test('a request with a broken CSR does not spend the token', async () => {
  const server = await startServer()
  const value = await token(server)
  const csr = buildCsr(PrivateKey.generate())
  csr[csr.length - 1] = (csr[csr.length - 1] ?? 0) ^ 1
  await expect(attestOnce(server.tls(), value, csr)).rejects.toMatchObject({ code: 'CSR_INVALID' })
  await attest(server.tls(), server.tls, value)
})

test.each([
  ['an unknown token', 'x'.repeat(43)],
  ['a token of another form', 'a b'],
])('%s is refused as an used one is', async (_, value) => {
  const server = await startServer()
  await expect(attestOnce(server.tls(), value, buildCsr(PrivateKey.generate()))).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
})

test('a giant payload and an unknown attestor are refused', async () => {
  const server = await startServer()
  const csr = buildCsr(PrivateKey.generate())
  await expect(attestOnce(server.tls(), 'x'.repeat(70_000), csr)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(attestOnce(server.tls(), 'x', csr, 'aws_iid')).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', hint: expect.stringContaining('join_token') })
})

test('a token without ttl, of a value that exists, or for an ID of the issuer is refused', async () => {
  const { admin } = await startServer()
  const create = (request: object): Promise<unknown> => admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', request)
  await expect(create({ ttl: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await create({ ttl: 60, token: 'chosen-by-the-caller' })
  await expect(create({ ttl: 60, token: 'chosen-by-the-caller' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  await expect(create({ ttl: 60, agentId: { trustDomain: 'example.org', path: '/spire/server' } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(create({ ttl: 60, agentId: { trustDomain: 'other.org', path: '/x' } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('an agent renews with a new key, and both SVIDs are good until they expire', async () => {
  const server = await startServer()
  const agent = await server.join()
  const key = PrivateKey.generate()
  const { svid } = await agent.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: buildCsr(key) } })
  const renewed = server.tls({ certificateChain: svid?.certChain ?? [], privateKey: key.keyObject })
  await renewed.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  await agent.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  const shown = await server.admin.unary('spire.api.server.agent.v1.Agent', 'GetAgent', { id: svid?.id ?? null })
  const leaf = parseCertificate(svid?.certChain[0] ?? new Uint8Array(0))
  expect(shown).toMatchObject({ attestationType: 'join_token', x509svidSerialNumber: BigInt(`0x${toHex(leaf.serial)}`).toString(), banned: false, canReattest: false })
})

test('an agent cannot renew with the key of another', async () => {
  const server = await startServer()
  const [first, second] = [await server.join(), await server.join()]
  await expect(second.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: buildCsr(first.key) } })).rejects.toMatchObject({ code: 'KEY_DENIED' })
})

test('agents are listed by pages and filters, with masks', async () => {
  const server = await startServer()
  for (let count = 0; count < 3; count++) await server.join()
  const list = (request: object): Promise<{ agents: object[]; nextPageToken: string }> => server.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', request)
  const first = await list({ pageSize: 2, outputMask: { attestationType: true } })
  expect(first.agents).toHaveLength(2)
  expect(first.agents[0]).toMatchObject({ attestationType: 'join_token', x509svidSerialNumber: '' })
  const rest = await list({ pageSize: 2, pageToken: first.nextPageToken })
  expect(rest.agents).toHaveLength(1)
  expect(rest.nextPageToken).toBe('')
  expect((await list({ filter: { byBanned: { value: true } } })).agents).toEqual([])
  expect((await list({ filter: { byAttestationType: 'other' } })).agents).toEqual([])
  expect((await list({ filter: { byExpiresBefore: '2099-01-01 00:00:00 +0000 +00' } })).agents).toHaveLength(3)
  await expect(list({ pageSize: 2, pageToken: 'not ours' })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
})

test('a banned agent is cut off, told so, and cannot renew; evicted it is unknown', async () => {
  const server = await startServer()
  const agent = await server.join()
  await agent.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  const { agents } = await server.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  const id = agents[0]?.id ?? null
  await server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id })
  await expect(server.tls(agent.identity).unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: buildCsr(PrivateKey.generate()) } })).rejects.toMatchObject({ code: 'AGENT_BANNED' })
  expect(server.log.facts.map(({ event }) => event)).toContain('connection.cut')
  await server.admin.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id })
  await expect(server.tls(agent.identity).unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})).rejects.toMatchObject({ code: 'AGENT_NOT_ATTESTED' })
  await expect(server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
