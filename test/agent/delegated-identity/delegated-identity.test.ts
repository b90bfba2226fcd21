import { createPrivateKey, X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SubscribeToX509SVIDsResponse__Output } from '../../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { anEntry } from '../../support/agent/entries.ts'
import { delegatedIdentityService, TestDelegation } from '../../support/agent/delegation.ts'
import { TestIssuer } from '../../support/agent/test-issuer.ts'
import { holds, TestApi } from '../../support/agent/workload-api.ts'
import { isRoot } from '../../support/processes/processes.ts'
import { node24, Program, root } from '../../support/product/process.ts'

const uid = process.geteuid?.() ?? -1
const mine = [`unix:uid:${uid}`]
const proxy = anEntry('proxy', { selectors: mine })
const proxyId = 'spiffe://test.example/proxy'
const pod = ['k8s:ns:shop', 'k8s:sa:web']
const web = anEntry('web', { selectors: pod, hint: 'public' })
const forPod = { selectors: pod.map((text) => ({ type: 'k8s', value: text.slice(4) })) }

let api: TestApi
let delegation: TestDelegation

beforeEach(async () => {
  api = await TestApi.start()
  delegation = await TestDelegation.start(api, [proxyId])
})

afterEach(async () => {
  await delegation[Symbol.asyncDispose]()
  await api[Symbol.asyncDispose]()
})

async function next<T>(stream: AsyncGenerator<T, void, undefined>): Promise<T> {
  const { value, done } = await stream.next()
  if (done === true) throw new Error('the stream ended without a status')
  return value
}

function idsOf({ x509Svids }: SubscribeToX509SVIDsResponse__Output): readonly string[] {
  return x509Svids.map(({ x509Svid }) => `spiffe://${x509Svid?.id?.trustDomain ?? ''}${x509Svid?.id?.path ?? ''}`)
}

describe('an authorized delegate', () => {
  test('gets the identity of the workload whose selectors it gives, with its key, hint and end', async () => {
    api.entriesAre(proxy, web, anEntry('other', { selectors: ['k8s:ns:bank'] }))
    const { x509Svids, federatesWith } = await next(delegation.svids(forPod))
    const [svid] = x509Svids
    const leaf = new X509Certificate(svid?.x509Svid?.certChain[0] ?? Buffer.alloc(0))
    expect(leaf.subjectAltName).toBe('URI:spiffe://test.example/web')
    expect(leaf.checkPrivateKey(createPrivateKey({ key: svid?.x509SvidKey ?? Buffer.alloc(0), format: 'der', type: 'pkcs8' }))).toBe(true)
    expect(svid?.x509Svid).toMatchObject({ id: { trustDomain: 'test.example', path: '/web' }, hint: 'public', expiresAt: Math.floor(Date.parse(leaf.validTo) / 1_000) })
    expect([x509Svids.length, federatesWith]).toEqual([1, []])
  })

  test('gets that of a process it names by its pid, and nothing more once that has exited', async () => {
    api.entriesAre(proxy, anEntry('job', { selectors: [`unix:path:${node24}`] }))
    await using workload = new Program(node24, ['-e', 'setInterval(() => undefined, 1e6)'])
    const stream = delegation.svids({ pid: workload.pid })
    await expect.poll(async () => idsOf(await next(delegation.svids({ pid: workload.pid })))).toEqual(expect.arrayContaining(['spiffe://test.example/job']))
    await next(stream)
    await workload.kill()
    await expect(next(stream)).rejects.toMatchObject({ code: 'PROCESS_GONE', status: 'PERMISSION_DENIED' })
    await expect(next(delegation.svids({ pid: workload.pid }))).rejects.toMatchObject({ code: 'PROCESS_GONE' })
  })

  test('hears of an entry that comes, of a rotation, and of an entry that goes: an empty list, on the same stream', async () => {
    api.entriesAre(proxy)
    const stream = delegation.svids(forPod)
    expect(idsOf(await next(stream))).toEqual([])
    api.entriesAre(proxy, web)
    const first = await next(stream)
    expect(idsOf(first)).toEqual(['spiffe://test.example/web'])
    api.entriesAre(proxy, { ...web, revision: 1, dnsNames: ['web.test.example'] })
    const second = await next(stream)
    expect(second.x509Svids[0]?.x509Svid?.certChain[0]?.equals(first.x509Svids[0]?.x509Svid?.certChain[0] ?? Buffer.alloc(0))).toBe(false)
    api.entriesAre(proxy)
    expect(idsOf(await next(stream))).toEqual([])
  })

  test('gets the bundle, and the next one when it changes', async () => {
    api.entriesAre(proxy)
    const stream = delegation.client().serverStream(delegatedIdentityService, 'SubscribeToX509Bundles', {})
    expect(await next(stream)).toEqual({ caCertificates: { 'spiffe://test.example': Buffer.from(api.signer.issuer.certificate) } })
    api.bundleIs({ der: api.signer.issuer.certificate }, { der: new TestIssuer('test.example', systemClock.nowMs()).certificate })
    expect((await next(stream)).caCertificates['spiffe://test.example']?.length).toBeGreaterThan(api.signer.issuer.certificate.length)
  })

  test('gets the bundles of other trust domains, and is told which of them are the workload\'s, again when one goes', async () => {
    const der = Buffer.from(api.signer.issuer.certificate)
    const bundle = (trustDomain: string, ...x509Authorities: readonly Buffer[]): Parameters<typeof api.federation.apply>[0] => ({ trustDomain, bundle: x509Authorities.length === 0 ? null : { trustDomain, x509Authorities: x509Authorities.map((asn1) => ({ asn1, tainted: false })), jwtAuthorities: [], witAuthorities: [], refreshHint: 0, sequenceNumber: 1 } })
    api.federation.replace([bundle('one.example', der), bundle('two.example', der)])
    api.entriesAre(proxy, { ...web, federatesWith: ['one.example', 'nobody.example'] })
    const svids = delegation.svids(forPod)
    expect((await next(svids)).federatesWith).toEqual(['spiffe://one.example'])
    const bundles = delegation.client().serverStream(delegatedIdentityService, 'SubscribeToX509Bundles', {})
    expect(Object.keys((await next(bundles)).caCertificates).toSorted()).toEqual(['spiffe://one.example', 'spiffe://test.example', 'spiffe://two.example'])
    api.federation.apply(bundle('one.example'))
    expect((await next(svids)).federatesWith).toEqual([])
    expect(Object.keys((await next(bundles)).caCertificates).toSorted()).toEqual(['spiffe://test.example', 'spiffe://two.example'])
  })

  test('is never given an identity that administers or issues', async () => {
    api.entriesAre(proxy, web, anEntry('boss', { selectors: pod, admin: true }), anEntry('nested', { selectors: pod, downstream: true }))
    expect(idsOf(await next(delegation.svids(forPod)))).toEqual(['spiffe://test.example/web'])
    expect(api.svids.held().map(({ entryId }) => entryId)).toEqual(['web'])
  })

  test('is refused the moment that its own identity is taken away', async () => {
    api.entriesAre(proxy, web)
    const stream = delegation.svids(forPod)
    await next(stream)
    api.entriesAre({ ...proxy, disabled: true, revision: 1 }, web)
    await expect(next(stream)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  })

  test('that exits drops the keys it was given: their serials are reported', async () => {
    api.entriesAre(proxy, web)
    await using delegate = new Program(node24, [join(root, 'test/support/agent/delegate-client.ts'), delegation.socket])
    await delegate.event('svids')
    expect(api.svids.held()).toHaveLength(1)
    await delegate.kill()
    await holds(api.endedChanged, () => api.ended.length > 0)
    expect(api.svids.held()).toEqual([])
  })

  test('is written down: who it was, for what it asked, which entries it was given', async () => {
    api.entriesAre(proxy, web)
    await next(delegation.svids(forPod))
    expect(api.log.facts.filter(({ event }) => event.startsWith('delegate.'))).toEqual([
      { event: 'delegate.admitted', delegateId: proxyId, pid: process.pid, uid },
      { event: 'delegate.served', delegateId: proxyId, pid: process.pid, selectors: pod, entries: ['web'] },
    ])
  })

  test.each([
    ['neither selectors nor a pid', {}],
    ['both', { ...forPod, pid: 1 }],
    ['a negative pid', { pid: -1 }],
    ['a selector without a type', { selectors: [{ type: '', value: 'x' }] }],
    ['more selectors than 100', { selectors: Array.from({ length: 101 }, (_, at) => ({ type: 'k8s', value: `ns:${at}` })) }],
  ])('that gives %s is told so', async (_, request) => {
    api.entriesAre(proxy, web)
    await expect(next(delegation.svids(request))).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' })
  })

  test('that asks for tokens is told that there are none', async () => {
    api.entriesAre(proxy)
    using channel = delegation.client()
    await expect(channel.unary(delegatedIdentityService, 'FetchJWTSVIDs', { audience: ['a'], ...forPod })).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
    await expect(next(channel.serverStream(delegatedIdentityService, 'SubscribeToJWTBundles', {}))).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
  })
})

describe('who is no delegate', () => {
  test('has an identity, but not one of the list: nothing', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }), web)
    await expect(next(delegation.svids(forPod))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(next(delegation.client().serverStream(delegatedIdentityService, 'SubscribeToX509Bundles', {}))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(api.log.facts.some((fact) => fact.event === 'delegate.refused' && fact['pid'] === process.pid)).toBe(true)
  })

  test('is everybody, root and admins too, where the configuration names none', async () => {
    await using none = await TestDelegation.start(api, [], [uid])
    api.entriesAre(proxy, web)
    await expect(next(none.svids(forPod))).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('no authorized delegates') })
  })

  test('may be named while the agent runs: the socket opens, an admin who is connected already connects again', async () => {
    await using none = await TestDelegation.start(api, [], [uid])
    api.entriesAre(proxy, web)
    const before = none.client()
    await expect(next(before.serverStream(delegatedIdentityService, 'SubscribeToX509SVIDs', forPod))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(statSync(none.socket).mode & 0o777).toBe(0o600)
    none.delegates.replace([parseSpiffeId(proxyId)])
    expect(statSync(none.socket).mode & 0o777).toBe(0o666)
    await expect(next(before.serverStream(delegatedIdentityService, 'SubscribeToX509SVIDs', forPod))).rejects.toMatchObject({ code: 'PERMISSION_DENIED', hint: 'connect again' })
    expect(idsOf(await next(none.svids(forPod)))).toEqual(['spiffe://test.example/web'])
  })

  test('is who is named no more: open streams end at once, and the socket closes to others than admins', async () => {
    api.entriesAre(proxy, web)
    const svids = delegation.svids(forPod)
    const bundles = delegation.client().serverStream(delegatedIdentityService, 'SubscribeToX509Bundles', {})
    await Promise.all([next(svids), next(bundles)])
    delegation.delegates.replace([parseSpiffeId('spiffe://test.example/other')])
    await expect(next(svids)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(next(bundles)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    delegation.delegates.replace([])
    expect(statSync(delegation.socket).mode & 0o777).toBe(0o600)
  })

  test.skipIf(!isRoot)('cannot keep the socket from delegates and admins, however many connections it opens', async () => {
    api.entriesAre(anEntry('proxy', { selectors: ['unix:uid:4002'] }), web)
    await using crowd = new Program(node24, [join(root, 'test/support/hostile/crowd.ts'), JSON.stringify({ path: delegation.socket, count: 600 })], { uid: 4001, gid: 4001 })
    await crowd.event('open')
    await expect.poll(() => api.log.facts.filter((fact) => fact.event === 'admin.refused' && fact['code'] === 'LIMIT_EXCEEDED').length).toBe(600 - 128)
    await using delegate = new Program(node24, [join(root, 'test/support/agent/delegate-client.ts'), delegation.socket], { uid: 4002, gid: 4002 })
    expect(await delegate.event('svids')).toMatchObject({ ids: ['spiffe://test.example/web'] })
    using channel = delegation.client()
    await expect(channel.unary('mayfly.v1.AgentAdmin', 'Status', {})).rejects.toMatchObject({ message: 'no agent' })
  })

  test.skipIf(!isRoot)('and no admin reaches nothing else on the socket', async () => {
    api.entriesAre(anEntry('proxy', { selectors: ['unix:uid:4001'] }), web)
    await using delegate = new Program(node24, [join(root, 'test/support/agent/delegate-client.ts'), delegation.socket], { uid: 4001, gid: 4001 })
    expect(await delegate.event('admin')).toMatchObject({ status: 'UNIMPLEMENTED' })
    expect(await delegate.event('svids')).toMatchObject({ ids: ['spiffe://test.example/web'] })
  })
})
