import { describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { WorkloadApi } from '../../src/client/workload-api.ts'
import { X509Source } from '../../src/client/x509-source.ts'
import { socketPath } from '../support/rpc/harness.ts'
import { issueSvid } from '../support/rpc/svids.ts'
import { federated, nextEvent, startSource, testDeps, TestDomain, TestWorkloadApi, wireOf } from '../support/client/workload-api.ts'

const home = new TestDomain('example.test')
const abroad = new TestDomain('other.test')
const denied = new MayflyError('NO_IDENTITY', 'no entry matches', { hint: 'mayfly why' })

describe('X509Source', () => {
  test('EP-03 each call carries workload.spiffe.io: true', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    await startSource(api)
    expect(api.calls).toEqual([['true']])
  })

  test('EP-07 without an endpoint, SPIFFE_ENDPOINT_SOCKET names it; without either it fails with what to do', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    await using source = await X509Source.start({}, { ...testDeps, env: { SPIFFE_ENDPOINT_SOCKET: api.endpoint } })
    expect(source.current().id).toBe('spiffe://example.test/a')
    expect(() => WorkloadApi.connect({}, testDeps)).toThrow(expect.objectContaining({ code: 'ENDPOINT_INVALID', hint: expect.stringContaining('SPIFFE_ENDPOINT_SOCKET') }))
  })

  test('the first identity is the default; another is picked by hint or by ID', async () => {
    const [a, b] = [home.id('/a'), home.id('/b')]
    const api = await TestWorkloadApi.start({ svids: [wireOf(a, issueSvid(home.issuer, a), home.issuer.certificate, 'internal'), wireOf(b, issueSvid(home.issuer, b), home.issuer.certificate, 'external')] })
    expect((await startSource(api)).current().id).toBe(a)
    expect((await startSource(api, { pick: { hint: 'external' } })).current().id).toBe(b)
    expect((await startSource(api, { pick: { id: b } })).current().hint).toBe('external')
    await expect(X509Source.start({ endpoint: api.endpoint, pick: { hint: 'none' }, startTimeoutMs: 50 }, testDeps)).rejects.toMatchObject({ code: 'NO_IDENTITY' })
  })

  test('a rotation is in force at once, and listeners are told', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    const source = await startSource(api)
    const before = source.current()
    const updated = nextEvent(source)
    api.set(home.response('/a'))
    expect(await updated).toBe('updated')
    expect(source.current().id).toBe(before.id)
    expect(source.current().serial).not.toBe(before.serial)
  })

  test('WAPI-07 WAPI-08 each message is the full state: a federated bundle or an identity that is absent is unloaded', async () => {
    const api = await TestWorkloadApi.start(federated(home.response('/a', '/b'), abroad))
    const source = await startSource(api)
    expect([source.bundles.trustDomains.toSorted(), source.svids.length]).toEqual([['example.test', 'other.test'], 2])
    const updated = nextEvent(source)
    api.set(home.response('/a'))
    await updated
    expect([source.bundles.trustDomains, source.svids.length]).toEqual([['example.test'], 1])
  })

  test('WX-08 PermissionDenied in mid-stream withdraws the identity and its bundles; it comes back by itself', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    const source = await startSource(api)
    const withdrawn = nextEvent(source)
    api.set(denied)
    expect(await withdrawn).toBe('withdrawn')
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'NO_IDENTITY', message: 'no entry matches', hint: 'mayfly why' }))
    expect(() => source.bundles).toThrow(expect.objectContaining({ code: 'NO_IDENTITY' }))
    const back = nextEvent(source)
    api.set(home.response('/a'))
    expect(await back).toBe('updated')
    expect(source.current().id).toBe('spiffe://example.test/a')
  })

  test('EP-13 a workload without identity waits for one, and start says why when the time is over', async () => {
    const api = await TestWorkloadApi.start(denied)
    await expect(X509Source.start({ endpoint: api.endpoint, startTimeoutMs: 100 }, testDeps)).rejects.toMatchObject({ code: 'NO_IDENTITY', message: 'no entry matches' })
    const starting = startSource(api)
    api.set(home.response('/a'))
    expect((await starting).current().id).toBe('spiffe://example.test/a')
  })

  test.each([
    ['EP-11', new MayflyError('INVALID_ARGUMENT', 'no metadata')],
    ['EP-14', new MayflyError('UNIMPLEMENTED', 'no such method')],
  ])('%s %o is final: no second try', async (_item, failure) => {
    const api = await TestWorkloadApi.start(failure)
    await expect(X509Source.start({ endpoint: api.endpoint }, testDeps)).rejects.toMatchObject({ code: failure.code })
    expect(api.calls.length).toBe(1)
  })

  test('EP-12 WAPI-03 a server that goes away leaves the identity in force, and a new one is found again', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    const source = await startSource(api)
    const { serial } = source.current()
    await api.stop()
    expect(source.current().serial).toBe(serial)
    const updated = nextEvent(source)
    await TestWorkloadApi.start(home.response('/a'), api.path)
    expect(await updated).toBe('updated')
    expect(source.current().serial).not.toBe(serial)
  })

  test('EP-12 a server that is not there yet is waited for', async () => {
    const path = socketPath()
    const starting = X509Source.start({ endpoint: `unix://${path}`, startTimeoutMs: 10_000 }, testDeps)
    await TestWorkloadApi.start(home.response('/a'), path)
    await using source = await starting
    expect(source.current().id).toBe('spiffe://example.test/a')
  })

  test('an expired identity is not in force any more, whatever is heard of the server', async () => {
    const id = home.id('/a')
    const late = Date.now() + 3_600_000
    const api = await TestWorkloadApi.start({ svids: [wireOf(id, issueSvid(home.issuer, id), home.issuer.certificate)] })
    const source = await X509Source.start({ endpoint: api.endpoint }, { ...testDeps, clock: { ...testDeps.clock, nowMs: () => late } })
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'NO_IDENTITY' }))
    await source[Symbol.asyncDispose]()
  })

  test('updates() gives the present state and then the next, and ends with the source', async () => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    const source = await startSource(api)
    const updates = source.updates()
    expect((await updates.next()).value).toMatchObject({ kind: 'updated' })
    const next = updates.next()
    api.set(denied)
    expect((await next).value).toMatchObject({ kind: 'withdrawn', reason: { code: 'NO_IDENTITY' } })
    await source[Symbol.asyncDispose]()
    expect((await updates.next()).done).toBe(true)
    expect(() => source.current()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  })

  test('the key of an SVID is in no log', async () => {
    const source = await startSource(await TestWorkloadApi.start(home.response('/a')))
    expect(JSON.stringify(source.current())).toContain('[secret]')
    expect(JSON.stringify(source.current())).not.toContain('PRIVATE')
  })
})

describe('responses that are not valid', () => {
  const id = home.id('/a')
  const good = (): ReturnType<typeof wireOf> => wireOf(id, issueSvid(home.issuer, id), home.issuer.certificate)
  const other = issueSvid(home.issuer, home.id('/b'))
  test.each([
    ['WX-01 no SVID', { svids: [] }],
    ['WX-02 no ID', { svids: [{ ...good(), spiffeId: '' }] }],
    ['WX-02 no certificate', { svids: [{ ...good(), x509Svid: Buffer.alloc(0) }] }],
    ['WX-02 no key', { svids: [{ ...good(), x509SvidKey: Buffer.alloc(0) }] }],
    ['WX-02 no bundle', { svids: [{ ...good(), bundle: Buffer.alloc(0) }] }],
    ['WX-03 trailing bytes behind the chain', { svids: [{ ...good(), x509Svid: Buffer.concat([good().x509Svid as Buffer, Buffer.from([1, 2])]) }] }],
    ['WX-04 a key that is not PKCS#8', { svids: [{ ...good(), x509SvidKey: Buffer.from('key') }] }],
    ["the key of another SVID", { svids: [{ ...good(), x509SvidKey: Buffer.from(other.pkcs8) }] }],
    ['the certificate of another ID', { svids: [{ ...good(), x509Svid: Buffer.concat(other.certificateChain), x509SvidKey: Buffer.from(other.pkcs8) }] }],
    ['WX-05 a federated bundle under a name that is no trust domain', { svids: [good()], federatedBundles: { 'spiffe://other.test/x': Buffer.from(abroad.issuer.certificate) } }],
    ['WX-05 a federated bundle that is no certificate', { svids: [good()], federatedBundles: { 'spiffe://other.test': Buffer.from('x') } }],
  ])('WAPI-09 %s: discarded, and the state before it stands', async (_name, response) => {
    const api = await TestWorkloadApi.start(home.response('/a'))
    const source = await startSource(api)
    const { serial } = source.current()
    api.set(response)
    const third = home.response('/a')
    await expect.poll(() => api.watching).toBe(1)
    expect(source.current().serial).toBe(serial)
    const updated = nextEvent(source)
    api.set(third)
    await updated
    expect(source.current().serial).not.toBe(serial)
    using once = WorkloadApi.connect({ endpoint: (await TestWorkloadApi.start(response)).endpoint }, testDeps)
    await expect(once.fetchX509Context()).rejects.toMatchObject({ code: 'RESPONSE_INVALID' })
  })
})
