import { once } from 'node:events'
import { join } from 'node:path'
import { connect as connectTls, createSecureContext } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { parseJoinLine } from '../../src/core/join-line.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { askForSvid, codeOf } from '../support/hostile/requests.ts'
import { AgentClient, attest, channelTo } from '../support/product/agent-client.ts'
import { Program } from '../support/product/process.ts'
import { Product, wireId } from '../support/product/product.ts'
import { authority, leaf } from '../support/verify/certificates.ts'
import { isRoot } from '../support/processes/processes.ts'

const ok = 0
const invalidArgument = 3
const notFound = 5
const permissionDenied = 7

let product: Product
beforeAll(async () => {
  product = await Product.start({ serverArgs: ['--log-level', 'error'] })
})
afterAll(async () => product[Symbol.asyncDispose]())

async function entryOf(agent: AgentClient, path: string, more: { readonly admin?: boolean } = {}): Promise<string> {
  const { results } = await product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', {
    entries: [{ spiffeId: wireId(`spiffe://example.org${path}`), parentId: wireId(agent.id), selectors: [{ type: 'unix', value: 'uid:4001' }], ...more }],
  })
  const [result] = results
  if (result?.status?.code !== ok) throw new Error(result?.status?.message ?? 'no result')
  return result.entry?.id ?? ''
}

describe('join tokens', () => {
  test('a token that was used is refused', async () => {
    const { line } = await product.joinLine()
    using _agent = await AgentClient.join(line)
    expect(await codeOf(AgentClient.join(line))).toBe('TOKEN_INVALID')
  })

  test('of twenty that show one token at once, one becomes the agent', async () => {
    const { line } = await product.joinLine()
    const { address, token } = parseJoinLine(line)
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(attest(address, token, PrivateKey.generate()))))
    expect(codes.filter((code) => code === undefined).length).toBe(1)
    expect(codes.filter((code) => code === 'TOKEN_INVALID').length).toBe(19)
  })

  test('unknown, used and malformed tokens are refused in the same words', async () => {
    const { line } = await product.joinLine()
    const { address, token } = parseJoinLine(line)
    await attest(address, token, PrivateKey.generate())
    const words = await Promise.all([token, 'f'.repeat(43), 'short', `${token}\0`].map((payload) => attest(address, payload, PrivateKey.generate()).then(() => 'let in', (error: unknown) => String(error))))
    expect(new Set(words).size).toBe(1)
    expect(words[0]).not.toContain(token)
  })

  test('a token shown with a request whose proof is broken is not spent, and nothing is signed', async () => {
    const { line } = await product.joinLine()
    const { address, token } = parseJoinLine(line)
    using channel = channelTo(address)
    const csr = Buffer.from(buildCsr(PrivateKey.generate()))
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1
    async function* request(): AsyncGenerator<{ params: object }> {
      yield { params: { data: { type: 'join_token', payload: Buffer.from(token) }, params: { csr } } }
    }
    expect(await codeOf(channel.bidi('spire.api.server.agent.v1.Agent', 'AttestAgent', request()).next())).toBe('CSR_INVALID')
    using agent = await AgentClient.join(line)
    expect(agent.id).toContain('/spire/agent/join_token/')
  })
})

describe('an agent', () => {
  test('a CSR with the key of another entry is refused: KEY_DENIED', async () => {
    using mine = await AgentClient.join((await product.joinLine()).line)
    using other = await AgentClient.join((await product.joinLine()).line)
    const [web, db, foreign] = [await entryOf(mine, '/web'), await entryOf(mine, '/db'), await entryOf(other, '/foreign')]
    const key = PrivateKey.generate()
    expect((await askForSvid(mine, web, buildCsr(key))).status).toBe(ok)
    expect(await askForSvid(mine, db, buildCsr(key))).toMatchObject({ status: permissionDenied, chain: [] })
    expect(await askForSvid(other, foreign, buildCsr(key))).toMatchObject({ status: permissionDenied, chain: [] })
    expect((await askForSvid(mine, web, buildCsr(mine.key))).status).toBe(permissionDenied) // an agent's own key is no workload's
    expect(await codeOf(other.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: Buffer.from(buildCsr(key)) } }))).toBe('KEY_DENIED')
  })

  test('a CSR that carries the public key of somebody else, or a signature by another, is refused', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    const entry = await entryOf(agent, '/proof')
    const victim = Buffer.from(buildCsr(PrivateKey.generate()))
    const thief = Buffer.from(buildCsr(PrivateKey.generate()))
    const mixed = Buffer.from(victim)
    thief.copy(mixed, mixed.length - 20, thief.length - 20)
    expect(await askForSvid(agent, entry, mixed)).toMatchObject({ status: invalidArgument, chain: [] })
    expect(await askForSvid(agent, entry, victim.subarray(0, victim.length - 1))).toMatchObject({ status: invalidArgument, chain: [] })
  })

  test('entries that are not its own are as if they were not', async () => {
    using mine = await AgentClient.join((await product.joinLine()).line)
    using other = await AgentClient.join((await product.joinLine()).line)
    const [foreign, disabled] = [await entryOf(other, '/theirs'), await entryOf(other, '/theirs-disabled')]
    await product.admin.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId: disabled }, reason: 'test' })
    const unknown = await askForSvid(mine, 'no-such-entry', buildCsr(PrivateKey.generate()))
    expect(unknown.status).toBe(notFound)
    expect(await askForSvid(mine, foreign, buildCsr(PrivateKey.generate()))).toEqual(unknown)
    expect(await askForSvid(mine, disabled, buildCsr(PrivateKey.generate()))).toEqual(unknown)
    const { entries } = await mine.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
    expect(entries.map(({ id }) => id)).not.toContain(foreign)
    expect(await codeOf(mine.channel.unary('spire.api.server.entry.v1.Entry', 'GetEntry', { id: foreign }))).toBe('PERMISSION_DENIED')
  })

  test('the names that an agent writes into a CSR are not in what it gets', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    const entry = await entryOf(agent, '/named')
    const { chain } = await askForSvid(agent, entry, buildCsr(PrivateKey.generate(), { uris: ['spiffe://example.org/spire/server'], dns: ['admin.example.org'] }))
    const names = parseCertificate(chain[0] ?? new Uint8Array(0)).extensions.subjectAltName
    expect(names?.uris).toEqual(['spiffe://example.org/named'])
    expect(names?.dns).toEqual([])
  })

  test('when it is banned, its still valid SVID opens nothing, on the old connection, a new one, or while it races', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    const entry = await entryOf(agent, '/banned')
    const racing = Array.from({ length: 40 }, async () => askForSvid(agent, entry, buildCsr(PrivateKey.generate())).then(({ chain }) => chain[0], () => undefined))
    await product.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: wireId(agent.id) })
    const issued = (await Promise.all(racing)).filter((der) => der !== undefined).map((der) => toHex(parseCertificate(der).serial).padStart(34, '0'))
    const { credentials } = await product.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { agentId: agent.id } })
    const live = credentials.filter(({ state }) => state === 'live').map(({ serial }) => serial)
    expect(live).toEqual([])
    expect(issued.filter((serial) => !credentials.some((credential) => credential.serial === serial))).toEqual([])
    expect(await codeOf(askForSvid(agent, entry, buildCsr(PrivateKey.generate())))).toBe('AGENT_BANNED')
    using again = AgentClient.withSvid(product.address, agent.id, agent.key, agent.chain)
    expect(await codeOf(again.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {}))).toBe('AGENT_BANNED')
    expect(await codeOf(again.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: Buffer.from(buildCsr(PrivateKey.generate())) } }))).toBe('AGENT_BANNED')
  })
})

describe('other certificates on the agents\' port', () => {
  test('the SVID of a workload is neither an agent\'s nor an administrator\'s', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    const entry = await entryOf(agent, '/plain')
    const key = PrivateKey.generate()
    const { chain } = await askForSvid(agent, entry, buildCsr(key))
    using workload = AgentClient.withSvid(product.address, 'spiffe://example.org/plain', key, chain)
    expect(await codeOf(workload.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {}))).toBe('PERMISSION_DENIED')
    expect(await codeOf(workload.channel.unary('spire.api.server.entry.v1.Entry', 'ListEntries', {}))).toBe('PERMISSION_DENIED')
    expect(await codeOf(workload.channel.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60 }))).toBe('PERMISSION_DENIED')
    expect(await codeOf(workload.channel.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: Buffer.from(buildCsr(PrivateKey.generate())) } }))).toBe('PERMISSION_DENIED')
  })

  test('an agent is no administrator', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    expect(await codeOf(agent.channel.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60 }))).toBe('PERMISSION_DENIED')
    expect(await codeOf(agent.channel.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: ['spiffe://example.org/minted'] })) }))).toBe('PERMISSION_DENIED')
    expect(await codeOf(agent.channel.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/web' } }))).toBe('PERMISSION_DENIED')
    expect(await codeOf(agent.channel.unary('mayfly.v1.Status', 'Get', {}))).toBe('PERMISSION_DENIED')
  })

  test.each([
    ['another trust domain', 'spiffe://other.example/spire/agent/join_token/x', 900_000],
    ['this trust domain, signed by another authority', 'spiffe://example.org/spire/agent/join_token/x', 900_000],
    ['an authority of one\'s own that has expired', 'spiffe://example.org/spire/agent/join_token/x', -900_000],
  ])('an agent SVID of %s is refused', async (_name, uri, lifeMs) => {
    const nowMs = Math.floor(systemClock.nowMs() / 1_000) * 1_000
    const root = authority('root', { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 3_600_000 })
    const svid = leaf(root, { uri, notBeforeMs: nowMs - 1_800_000, notAfterMs: nowMs + lifeMs })
    using stranger = AgentClient.withSvid(product.address, parseSpiffeId(uri), svid.key, [svid.der, root.der])
    expect(await codeOf(stranger.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {}))).toBe('PERMISSION_DENIED')
  })

  test('the certificate of another without its key opens nothing', async () => {
    using agent = await AgentClient.join((await product.joinLine()).line)
    expect(() => createSecureContext({ key: PrivateKey.generate().toPem(), cert: encodeCertificatesPem(agent.chain) })).toThrow()
  })
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a session that was made before the revocation is not resumed after it (%s)', async (version) => {
  using agent = await AgentClient.join((await product.joinLine()).line)
  const { address } = parseJoinLine((await product.joinLine()).line)
  const [host = '', port = ''] = address.split(':')
  const secureContext = createSecureContext({ key: agent.key.toPem(), cert: encodeCertificatesPem(agent.chain) })
  const dial = (session?: Buffer) => connectTls({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'], secureContext, minVersion: version, maxVersion: version, ...(session === undefined ? {} : { session }) })
  const first = dial()
  let ticket: Buffer | undefined
  first.on('session', (session) => (ticket = session))
  await once(first, 'secureConnect')
  first.resume().write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')
  await once(first, 'data')
  const session = ticket ?? first.getSession()
  await product.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: wireId(agent.id) })
  first.destroy()
  const second = dial(session)
  await once(second, 'secureConnect')
  expect(second.isSessionReused()).toBe(false)
  second.destroy()
})

test.skipIf(!isRoot)('a uid that is not in the list gets nothing from the admin socket, even where the file would let it', async () => {
  const socket = join(product.dir, 'open-admin.sock') // the data folder itself lets nobody through
  await using open = await Product.start({ serverArgs: ['--log-level', 'error', '--admin-uid', '0', '--admin-uid', '4444', '--admin-socket', socket] })
  await using stranger = new Program(process.execPath, [new URL('../support/hostile/admin-caller.ts', import.meta.url).pathname, socket], { uid: 4445, gid: 4445, env: { HOME: '/' } })
  const said = await stranger.event('answered')
  expect(said['code']).toBe('PERMISSION_DENIED')
  await using admin = new Program(process.execPath, [new URL('../support/hostile/admin-caller.ts', import.meta.url).pathname, socket], { uid: 4444, gid: 4444, env: { HOME: '/' } })
  expect((await admin.event('answered'))['code']).toBe('OK')
  await using crowd = new Program(process.execPath, [new URL('../support/hostile/crowd.ts', import.meta.url).pathname, JSON.stringify({ path: socket, count: 600 })], { uid: 4445, gid: 4445 })
  await crowd.event('open')
  await using again = new Program(process.execPath, [new URL('../support/hostile/admin-caller.ts', import.meta.url).pathname, socket], { uid: 4444, gid: 4444, env: { HOME: '/' } })
  expect((await again.event('answered'))['code']).toBe('OK')
  expect(open.server.pid).toBeGreaterThan(0)
})
