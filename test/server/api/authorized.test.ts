import { expect, test } from 'vitest'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { collect } from '../../support/rpc/harness.ts'
import { attest, startServer, wireEntry, wireId } from '../../support/server/test-server.ts'
import type { TestAgent } from '../../support/server/test-server.ts'

const entryApi = 'spire.api.server.entry.v1.Entry' as const
const svidApi = 'spire.api.server.svid.v1.SVID' as const

async function authorized({ channel }: TestAgent): Promise<readonly string[]> {
  return (await channel.unary(entryApi, 'GetAuthorizedEntries', {})).entries.map(({ id }) => id).toSorted()
}

function csr(): Uint8Array {
  return buildCsr(PrivateKey.generate())
}

test('an agent sees its own entries, those below them, and those of its node aliases', async () => {
  const { admin, join, createEntries } = await startServer()
  const [agent, other] = [await join(), await join()]
  const [own] = await createEntries(agent.id, ['/own'])
  const [below] = await createEntries('spiffe://example.org/own', ['/below'])
  await createEntries('spiffe://example.org/spire/server', ['/nodes/a'], { selectors: [{ type: 'spiffe_id', value: agent.id }] })
  const [aliased] = await createEntries('spiffe://example.org/nodes/a', ['/aliased'])
  await createEntries('spiffe://example.org/spire/server', ['/nodes/b'], { selectors: [{ type: 'spiffe_id', value: agent.id }, { type: 'x', value: 'not there' }] })
  await createEntries('spiffe://example.org/nodes/b', ['/foreign'])
  expect(await authorized(agent)).toEqual([own, below, aliased].toSorted())
  expect(await authorized(other)).toEqual([])
  const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  expect(agents).toHaveLength(2)
})

test("SPIRE's agent_id of a join token makes an alias", async () => {
  const server = await startServer()
  const { value } = await server.admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60, agentId: wireId('spiffe://example.org/node7') })
  const agent = await attest(server.tls(), server.tls, value)
  const [id] = await server.createEntries('spiffe://example.org/node7', ['/web'])
  expect(await authorized(agent)).toContain(id)
})

test('an agent gets no SVID for an entry that is not its own, and says nothing of whether it exists', async () => {
  const { join, createEntries } = await startServer()
  const [agent, other] = [await join(), await join()]
  const [own] = await createEntries(agent.id, ['/own'])
  const [foreign] = await createEntries(other.id, ['/foreign'])
  const { results } = await agent.channel.unary(svidApi, 'BatchNewX509SVID', {
    params: [{ entryId: own ?? '', csr: csr() }, { entryId: foreign ?? '', csr: csr() }, { entryId: 'nobody', csr: csr() }, { entryId: '', csr: csr() }, { entryId: own ?? '', csr: Buffer.from('garbage') }],
  })
  expect(results.map(({ status }) => status?.code)).toEqual([0, 5, 5, 3, 3])
  expect(results[1]?.status?.message).toBe(results[2]?.status?.message)
  expect(results.slice(1).every(({ svid }) => svid === null)).toBe(true)
})

test('a CSR with the key of another entry is refused: KEY_DENIED', async () => {
  const { join, createEntries } = await startServer()
  const agent = await join()
  const [first, second] = await createEntries(agent.id, ['/first', '/second'])
  const key = PrivateKey.generate()
  const ask = async (entryId = ''): Promise<string> =>
    (await agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(key) }] })).results[0]?.status?.message ?? ''
  expect(await ask(first)).toBe('OK')
  expect(await ask(second)).toMatch(/^KEY_DENIED/)
  expect(await ask(first)).toBe('OK')
})

test("the SVID has the entry's TTL and DNS names, and ends with the entry", async () => {
  const { join, createEntries } = await startServer()
  const agent = await join()
  const expiresAt = Math.floor(Date.now() / 1_000) + 30
  const [plain] = await createEntries(agent.id, ['/plain'], { x509SvidTtl: 120, dnsNames: ['web.example.org', 'a_b.example.org', '*.c.example.org'] })
  const [ending] = await createEntries(agent.id, ['/ending'], { expiresAt })
  const { results } = await agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [{ entryId: plain ?? '', csr: csr() }, { entryId: ending ?? '', csr: csr() }] })
  const [first, second] = results.map(({ svid }) => parseCertificate(svid?.certChain[0] ?? new Uint8Array(0)))
  expect(first?.extensions.subjectAltName?.dns).toEqual(['web.example.org', 'a_b.example.org', '*.c.example.org'])
  expect((first?.notAfterMs ?? 0) - Date.now()).toBeLessThanOrEqual(120_000)
  expect(second?.notAfterMs).toBeLessThanOrEqual(expiresAt * 1_000)
})

test('a batch of more than 500 SVIDs, and an empty one, are refused', async () => {
  const { join } = await startServer()
  const agent = await join()
  const params = Array.from({ length: 501 }, () => ({ entryId: 'x', csr: Buffer.from('x') }))
  await expect(agent.channel.unary(svidApi, 'BatchNewX509SVID', { params })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  await expect(agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('SyncAuthorizedEntries gives few at once, and many by revisions first and pages after', async () => {
  const { admin, join, createEntries } = await startServer()
  const agent = await join()
  const ids = [...(await createEntries(agent.id, Array.from({ length: 300 }, (_, at) => `/w${at}`)))]
  expect((await sync(agent, [])).flatMap(({ entries }) => entries.map(({ id }) => id)).toSorted()).toEqual(ids.toSorted())
  ids.push(...(await createEntries(agent.id, Array.from({ length: 300 }, (_, at) => `/x${at}`))))
  const pages = await sync(agent, [...ids, 'not-mine'])
  expect(pages.flatMap(({ entryRevisions }) => entryRevisions.map(({ id }) => id)).toSorted()).toEqual(ids.toSorted())
  expect(pages.map(({ entryRevisions, entries, more }) => [entryRevisions.length, entries.length, more])).toEqual([[500, 0, true], [100, 0, false], [0, 500, true], [0, 100, false]])
  // the end of a credential shows in both forms
  const { results } = await agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [{ entryId: ids[7] ?? '', csr: csr() }] })
  const { serial } = parseCertificate(results[0]?.svid?.certChain[0] ?? new Uint8Array(0))
  await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: Buffer.from(serial).toString('hex') }, reason: 'test' })
  const [revision] = (await sync(agent, [])).flatMap(({ entryRevisions }) => entryRevisions.filter(({ revisionNumber }) => revisionNumber !== 0))
  expect(revision).toMatchObject({ id: ids[7], revisionNumber: 1 })
  expect((await sync(agent, [ids[7] ?? ''])).flatMap(({ entries }) => entries)).toMatchObject([{ id: ids[7], revisionNumber: 1 }])
  await expect(sync(agent, [], { ids: ['a'] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(sync(agent, [], { outputMask: { hint: true } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

async function sync(agent: TestAgent, ids: readonly string[], first: Request<typeof entryApi, 'SyncAuthorizedEntries'> = {}): Promise<ResponseOutput<typeof entryApi, 'SyncAuthorizedEntries'>[]> {
  async function* requests(): AsyncGenerator<Request<typeof entryApi, 'SyncAuthorizedEntries'>> {
    yield first
    if (ids.length > 0) yield { ids: [...ids] }
  }
  return await collect(agent.channel.bidi(entryApi, 'SyncAuthorizedEntries', requests()))
}

test('an administrator mints an SVID for any workload of the trust domain, and for nothing else', async () => {
  const { admin } = await startServer()
  const mint = async (uri: string, dns: readonly string[] = [], ttl = 60): Promise<ResponseOutput<typeof svidApi, 'MintX509SVID'>> => await admin.unary(svidApi, 'MintX509SVID', { csr: buildCsr(PrivateKey.generate(), { uris: [uri], dns }), ttl })
  const { svid } = await mint('spiffe://example.org/minted', ['m.example.org'])
  expect(parseCertificate(svid?.certChain[0] ?? new Uint8Array(0)).extensions.subjectAltName).toMatchObject({ uris: ['spiffe://example.org/minted'], dns: ['m.example.org'] })
  for (const uri of ['spiffe://example.org/spire/server', 'spiffe://example.org', 'spiffe://other.org/x', 'spiffe://example.org/a/task/1', 'https://example.org/x']) await expect(mint(uri)).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' })
  await expect(mint('spiffe://example.org/minted', [], 86_400)).rejects.toMatchObject({ code: 'TTL_TOO_LONG' })
})

test('an entry below nobody in particular reaches nobody', async () => {
  const { join, createEntries } = await startServer()
  const agent = await join()
  await createEntries('spiffe://example.org/a', ['/b'])
  await createEntries('spiffe://example.org/b', ['/a'])
  expect(await authorized(agent)).toEqual([])
  expect(wireEntry('/x', agent.id).parentId).toEqual(wireId(agent.id))
})
