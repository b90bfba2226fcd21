import { expect, test } from 'vitest'
import { toHex } from '../../../src/core/bytes.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { startServer } from '../../support/server/test-server.ts'

const service = 'mayfly.v1.Authorities'
const spire = 'spire.api.server.localauthority.v1.LocalAuthority'

test('an authority is prepared, activated, tainted and revoked, and what hangs on it is said first', async () => {
  const { admin, join, log } = await startServer()
  const [first] = (await admin.unary(service, 'List', {})).authorities
  expect(first).toMatchObject({ state: 'active', acknowledged: true })
  const agent = await join()
  const prepared = await admin.unary(service, 'Prepare', {})
  expect(prepared).toMatchObject({ state: 'prepared', liveCredentials: 0, acknowledged: false })
  expect(await admin.unary(service, 'Activate', { id: prepared.id.slice(0, 12), force: true })).toMatchObject({ id: prepared.id, state: 'active' })
  const dry = await admin.unary(service, 'Taint', { id: first?.id ?? '', dryRun: true })
  expect(dry).toMatchObject({ credentials: 2, authority: { state: 'old' } })
  expect(await admin.unary(service, 'Taint', { id: first?.id ?? '', reason: 'lost tape' })).toMatchObject({ credentials: 2, authority: { state: 'tainted' } })
  expect(log.facts.filter(({ event }) => event === 'authority.tainted')).toMatchObject([{ reason: 'lost tape' }])
  expect(await admin.unary(service, 'Revoke', { id: first?.id ?? '', dryRun: true })).toMatchObject({ authority: { state: 'tainted' } })
  await expect(admin.unary(service, 'Revoke', { id: first?.id ?? '', expect: { value: 7 } })).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
  const revoked = await admin.unary(service, 'Revoke', { id: first?.id ?? '', reason: 'lost tape' })
  expect(revoked).toMatchObject({ authority: { state: 'revoked', liveCredentials: 0 } })
  expect(revoked.streamSeq).toBeGreaterThan(0)
  const serial = toHex(parseCertificate(agent.identity.certificateChain[0] ?? new Uint8Array(0)).serial)
  const { credentials } = await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial: serial.padStart(34, '0') } })
  expect(credentials).toMatchObject([{ state: 'revoked', cause: 'authority_revoked', reason: 'lost tape' }])
  await expect(agent.channel.unary('spire.api.server.agent.v1.Agent', 'PostStatus', { agentVersion: 'x' })).rejects.toThrow()
})

test('the active authority is neither tainted nor revoked unless that is said', async () => {
  const { admin } = await startServer()
  const [first] = (await admin.unary(service, 'List', {})).authorities
  for (const call of ['Taint', 'Revoke'] as const) {
    await expect(admin.unary(service, call, { id: first?.id ?? '' })).rejects.toMatchObject({ code: 'AUTHORITY_STATE', hint: expect.stringContaining('mayfly authority prepare') })
    await expect(admin.unary(service, call, { id: first?.id ?? '', dryRun: true })).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
  }
  expect(await admin.unary(service, 'Taint', { id: first?.id ?? '', replaceActive: true })).toMatchObject({ authority: { state: 'tainted' } })
  const { authorities } = await admin.unary(service, 'List', {})
  expect(authorities.map(({ state }) => state).sort()).toEqual(['active', 'tainted'])
})

test('one that agents do not know yet is activated only by force, and no unknown, short or ambiguous name is taken', async () => {
  const { admin, join } = await startServer()
  await join()
  const prepared = await admin.unary(service, 'Prepare', {})
  await expect(admin.unary(service, 'Activate', { id: prepared.id })).rejects.toMatchObject({ code: 'AUTHORITY_STATE', hint: expect.stringContaining('--force') })
  await expect(admin.unary(service, 'Activate', { id: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(admin.unary(service, 'Activate', { id: prepared.id.slice(0, 7) })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(admin.unary(service, 'Activate', { id: 'not an id' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(admin.unary(service, 'Taint', { id: prepared.id, reason: 'a\u0007b' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('an agent is asked to renew its own SVID when the authority above it is tainted, and only then', async () => {
  const { admin, join } = await startServer()
  const agent = await join()
  const [first] = (await admin.unary(service, 'List', {})).authorities
  const leaving = new AbortController()
  async function* hello(): AsyncGenerator<{ hello: { agentVersion: string } }> {
    yield { hello: { agentVersion: 'test' } }
    await new Promise((resolve) => leaving.signal.addEventListener('abort', resolve, { once: true }))
  }
  const stream = agent.channel.bidi('mayfly.v1.Sync', 'Connect', hello(), { signal: leaving.signal })
  const prepared = await admin.unary(service, 'Prepare', {})
  await admin.unary(service, 'Activate', { id: prepared.id, force: true })
  let asked = false
  for await (const { message, bundle, renew } of stream) {
    if (message === 'bundle' && bundle?.x509Authorities.length === 2 && !asked && bundle.x509Authorities.every(({ tainted }) => !tainted)) {
      asked = true
      await admin.unary(service, 'Taint', { id: first?.id ?? '' })
    }
    if (message !== 'renew') continue
    expect(asked).toBe(true)
    expect(renew?.reason).toContain('tainted')
    break
  }
  leaving.abort()
})

test("SPIRE's calls: by subject key identifier, in SPIRE's order; JWT and WIT are not served", async () => {
  const { admin } = await startServer()
  const [first] = (await admin.unary(service, 'List', {})).authorities
  const state = await admin.unary(spire, 'GetX509AuthorityState', {})
  expect(state.active?.authorityId).toMatch(/^[0-9a-f]{40}$/)
  expect(state.active?.expiresAt).toBe(Math.floor((first?.notAfterMs ?? 0) / 1_000))
  expect(state).toMatchObject({ prepared: null, old: null })
  const activeId = state.active?.authorityId ?? ''
  await expect(admin.unary(spire, 'TaintX509Authority', { authorityId: activeId })).rejects.toMatchObject({ message: expect.stringContaining('unable to taint current') })
  const { preparedAuthority } = await admin.unary(spire, 'PrepareX509Authority', {})
  const preparedId = preparedAuthority?.authorityId ?? ''
  await expect(admin.unary(spire, 'TaintX509Authority', { authorityId: preparedId })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(admin.unary(spire, 'ActivateX509Authority', { authorityId: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect((await admin.unary(spire, 'ActivateX509Authority', { authorityId: preparedId })).activatedAuthority?.authorityId).toBe(preparedId)
  expect((await admin.unary(spire, 'GetX509AuthorityState', {})).old?.authorityId).toBe(activeId)
  expect((await admin.unary(spire, 'TaintX509Authority', { authorityId: activeId })).taintedAuthority?.authorityId).toBe(activeId)
  expect((await admin.unary(spire, 'RevokeX509Authority', { authorityId: activeId })).revokedAuthority?.authorityId).toBe(activeId)
  expect((await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).x509Authorities).toHaveLength(1)
  await expect(admin.unary(spire, 'TaintX509UpstreamAuthority', { subjectKeyId: activeId })).rejects.toMatchObject({ status: 'FAILED_PRECONDITION' })
  for (const call of ['GetJWTAuthorityState', 'PrepareWITAuthority'] as const) await expect(admin.unary(spire, call, {})).rejects.toMatchObject({ status: 'UNIMPLEMENTED' })
})
