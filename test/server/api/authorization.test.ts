import { geteuid } from 'node:process'
import { expect, test } from 'vitest'
import { adminRoles, rootAlone, type AdminRole } from '../../../src/core/admin-role.ts'
import { authorize, rights, rightsOf } from '../../../server/api/authorization.ts'
import type { Standing } from '../../../server/api/authorization.ts'
import type { Caller } from '../../../server/api/caller.ts'
import { methodsOf } from '../../../src/rpc/services.ts'
import type { ServiceName } from '../../../src/rpc/services.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { credentialsOf, startServer } from '../../support/server/test-server.ts'

const local: Caller = { kind: 'local', uid: 0, pid: 1, roles: rootAlone }
const anonymous: Caller = { kind: 'anonymous', address: '' }
const svid = (path: string): Caller => ({
  kind: 'svid',
  id: parseSpiffeId(`spiffe://example.org${path}`),
  serial: '',
  notAfterMs: 1_000,
  facts: { id: parseSpiffeId('spiffe://td/some'), serial: new Uint8Array(17), notAfterMs: 1_000, authorityId: '', aboveIds: [] },
  address: '',
})
const agent = svid('/spire/agent/join_token/a')
const workload = svid('/web')

function standing(changes: Partial<Standing> = {}): Standing {
  return { agentProblem: () => undefined, rolesOf: () => new Set(), isDownstream: () => false, isEnded: () => false, nowMs: () => 0, ...changes }
}

function verdict(method: string, caller: Caller, changes: Partial<Standing> = {}): string {
  try {
    authorize(method, caller, standing(changes))
    return 'allowed'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'threw'
  }
}

const adminMethod = '/spire.api.server.entry.v1.Entry/BatchCreateEntry'
const agentMethod = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'
const openMethod = '/spire.api.server.bundle.v1.Bundle/GetBundle'

test('every method of every served service has a row, and every row is a method', () => {
  for (const [service, rows] of Object.entries(rights)) {
    const methods = [...methodsOf(service as ServiceName).keys()] // the keys of the table are names of services
    expect(Object.keys(rows).toSorted()).toEqual(methods.toSorted())
  }
})

test('the server serves nothing without a row but health and reflection', async () => {
  const { admin } = await startServer()
  const { statuses } = await admin.unary('grpc.health.v1.Health', 'List', {})
  const served = Object.keys(statuses).filter((name) => name !== '' && name !== 'grpc.reflection.v1.ServerReflection')
  expect(served.toSorted()).toEqual(Object.keys(rights).toSorted())
})

test('what has no row is denied, also with names of objects', () => {
  for (const method of ['/x.Y/Z', '/mayfly.v1.Sync/Other', '/__proto__/toString', '/mayfly.v1.Sync/constructor', 'mayfly.v1.Sync/Connect', '']) {
    expect(rightsOf(method)).toBeUndefined()
    expect(verdict(method, local)).toBe('PERMISSION_DENIED')
  }
})

test.each([
  [adminMethod, local, 'allowed'],
  [adminMethod, anonymous, 'UNAUTHENTICATED'],
  [adminMethod, agent, 'PERMISSION_DENIED'],
  [adminMethod, workload, 'PERMISSION_DENIED'],
  [agentMethod, local, 'PERMISSION_DENIED'],
  [agentMethod, anonymous, 'UNAUTHENTICATED'],
  [agentMethod, agent, 'allowed'],
  [agentMethod, workload, 'PERMISSION_DENIED'],
  [openMethod, anonymous, 'allowed'],
  [openMethod, workload, 'allowed'],
])('%s by %o: %s', (method, caller, expected) => {
  expect(verdict(method, caller)).toBe(expected)
})

test('a ban, a disablement, a revocation and an expiry are seen at the next call', () => {
  expect(verdict(agentMethod, agent, { agentProblem: () => 'AGENT_BANNED' })).toBe('AGENT_BANNED')
  expect(verdict(agentMethod, agent, { agentProblem: () => 'AGENT_NOT_ATTESTED' })).toBe('AGENT_NOT_ATTESTED')
  expect(verdict(agentMethod, agent, { agentProblem: () => 'TARGET_DISABLED' })).toBe('TARGET_DISABLED')
  expect(verdict(agentMethod, agent, { isEnded: () => true })).toBe('AGENT_NOT_ACTIVE')
  expect(verdict(agentMethod, agent, { isEnded: () => true, agentProblem: () => 'AGENT_BANNED' })).toBe('AGENT_BANNED')
  expect(verdict(adminMethod, workload, { isEnded: () => true, rolesOf: () => rootAlone })).toBe('PERMISSION_DENIED')
  expect(verdict(agentMethod, agent, { nowMs: () => 1_001 })).toBe('AGENT_EXPIRED')
  expect(verdict(adminMethod, workload, { rolesOf: () => rootAlone })).toBe('allowed')
  expect(verdict(agentMethod, workload, { rolesOf: () => rootAlone })).toBe('PERMISSION_DENIED')
})

test('an administrator with one role may look, do what takes that role, and nothing else: on the socket and over TLS', () => {
  for (const [service, rows] of Object.entries(rights)) {
    for (const [name, allowed] of Object.entries(rows)) {
      for (const role of adminRoles) {
        const roles = new Set<AdminRole>([role])
        const wanted = allowed.filter((right) => adminRoles.some((one) => one === right))
        const may = allowed.includes('anyone') || (wanted.length > 0 && (role === 'root' || wanted.includes('read') || wanted.includes(role)))
        const outcome = may ? 'allowed' : 'PERMISSION_DENIED'
        const method = `/${service}/${name}`
        expect([method, role, verdict(method, { kind: 'local', uid: 7, pid: 1, roles })]).toEqual([method, role, outcome])
        expect([method, role, verdict(method, workload, { rolesOf: () => roles })]).toEqual([method, role, outcome])
      }
    }
  }
})

test('who lacks a role is told which', async () => {
  const { admin } = await startServer({ config: { adminUids: [], admins: [{ uid: geteuid?.() ?? 0, spiffeId: undefined, roles: ['read', 'revoke'] }] } })
  expect(await admin.unary('mayfly.v1.Status', 'Get', {})).toMatchObject({ trustDomain: 'example.org' })
  await expect(admin.unary('mayfly.v1.Policies', 'Apply', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringMatching(/with the role read, revoke; this call takes policy$/) })
  await expect(admin.unary('mayfly.v1.Leaks', 'Report', { denyUnknown: true })).rejects.not.toMatchObject({ code: 'PERMISSION_DENIED' })
})

async function* hello(): AsyncGenerator<{ readonly hello: { readonly agentVersion: string } }> {
  yield { hello: { agentVersion: 'test' } }
}

test('who registers makes no administrator, no server further down, and nothing that leads to one', async () => {
  const operator = parseSpiffeId('spiffe://example.org/operator')
  const euid = geteuid?.() ?? 0
  const uids = [euid]
  const named = [{ uid: undefined, spiffeId: operator, roles: ['register'] as const }, { uid: undefined, spiffeId: parseSpiffeId('spiffe://example.org/boss'), roles: ['root'] as const }]
  const server = await startServer({ config: { adminUids: uids, admins: named } })
  const agent = await server.join()
  const [entryId = ''] = await server.createEntries(agent.id, ['/operator'])
  const [bossEntry = ''] = await server.createEntries('spiffe://example.org/alias', ['/boss'])
  const told = agent.channel.bidi('mayfly.v1.Sync', 'Connect', hello(), { signal: AbortSignal.timeout(60_000) })
  for await (const { snapshot } of told) {
    if (snapshot === null || snapshot === undefined || snapshot.entries.length === 0) continue
    expect(snapshot.entries).toMatchObject([{ entry: { id: entryId, admin: true } }]) // so that no delegate of its node is given it
    break
  }
  const key = PrivateKey.generate()
  const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(key) }] })
  const registrar = server.tls({ certificateChain: results[0]?.svid?.certChain ?? [], privateKey: key.keyObject })
  const id = (path: string): { trustDomain: string; path: string } => ({ trustDomain: 'example.org', path })
  const create = async (path: string, changed: object = {}): Promise<number | undefined> => {
    const answer = await registrar.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', { entries: [{ spiffeId: id(path), parentId: id(agent.id.replace('spiffe://example.org', '')), selectors: [{ type: 'unix', value: 'uid:4000' }], ...changed }] })
    return answer.results[0]?.status?.code
  }
  const denied = 7
  expect(await create('/web')).toBe(0)
  expect(await create('/web2', { admin: true })).toBe(denied)
  expect(await create('/web2', { downstream: true })).toBe(denied)
  expect(await create('/operator')).toBe(denied)
  expect(await create('/boss')).toBe(denied)
  expect(await create('/alias', { parentId: id('/spire/server') })).toBe(denied)
  const change = await registrar.unary('spire.api.server.entry.v1.Entry', 'BatchUpdateEntry', { entries: [{ id: bossEntry, selectors: [{ type: 'unix', value: 'uid:4000' }] }], inputMask: { selectors: true } })
  expect(change.results[0]?.status?.code).toBe(denied)
  expect((await registrar.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [bossEntry] })).results[0]?.status?.code).toBe(denied)
  await expect(registrar.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60, agentId: id('/alias') })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect(await registrar.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60 })).toMatchObject({ value: expect.any(String) })
  await expect(registrar.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect(await server.admin.unary('mayfly.v1.Registry', 'CountEntries', {})).toMatchObject({ count: expect.anything() })
  await server.admin.unary('mayfly.v1.Revocations', 'Disable', { target: { spiffeId: operator }, reason: '' })
  await expect(registrar.unary('mayfly.v1.Status', 'Get', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})

test('a caller without certificate may attest, read the bundle and ask for health, and nothing else', async () => {
  const { tls } = await startServer()
  const channel = tls()
  expect((await channel.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).x509Authorities).toHaveLength(1)
  expect(await channel.unary('grpc.health.v1.Health', 'Check', {})).toEqual({ status: 'SERVING' })
  await expect(channel.unary('spire.api.server.entry.v1.Entry', 'ListEntries', {})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await expect(channel.unary('mayfly.v1.Status', 'Get', {})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await expect(channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', {})).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a caller with a certificate of its own making is refused, with the reason', async () => {
  const { tls, join } = await startServer()
  const agent = await join()
  const other = await startServer()
  await expect(other.tls(agent.identity).unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect((await tls(agent.identity).unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).trustDomain).toBe('example.org')
})

test('a uid that is not in the list is refused on the admin socket, and told so', async () => {
  const { admin } = await startServer({ deps: { peerCredentials: credentialsOf(4_711) } })
  await expect(admin.unary('mayfly.v1.Status', 'Get', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: 'uid 4711 may not administer this server' })
})

test('the holder of an admin entry administers over TLS until the entry is disabled', async () => {
  const server = await startServer()
  const agent = await server.join()
  const [entryId = ''] = await server.createEntries(agent.id, ['/operator'], { admin: true })
  const key = PrivateKey.generate()
  const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(key) }] })
  const operator = server.tls({ certificateChain: results[0]?.svid?.certChain ?? [], privateKey: key.keyObject })
  expect(await operator.unary('spire.api.server.entry.v1.Entry', 'CountEntries', {})).toEqual({ count: 1 })
  await server.admin.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId }, reason: '' })
  await expect(operator.unary('spire.api.server.entry.v1.Entry', 'CountEntries', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})
