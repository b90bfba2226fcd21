import { createPrivateKey, X509Certificate } from 'node:crypto'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { concatBytes } from '../../../src/core/bytes.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { holds, SvidStream, TestApi } from '../../support/agent/workload-api.ts'
import type { ApiOptions } from '../../support/agent/workload-api.ts'
import { anEntry } from '../../support/agent/entries.ts'
import { TestIssuer } from '../../support/agent/test-issuer.ts'

const mine = [`unix:uid:${process.geteuid?.() ?? -1}`]
const nobodys = ['unix:uid:4242424']

let api: TestApi

beforeEach(async () => {
  api = await TestApi.start()
})

afterEach(async () => {
  await api[Symbol.asyncDispose]()
})

describe('endpoint', () => {
  test('EP-04 a call without the metadata workload.spiffe.io: true is refused with InvalidArgument', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    for (const metadata of [{}, { 'workload.spiffe.io': 'TRUE' }, { 'workload.spiffe.io': '1' }]) {
      using channel = api.client(metadata)
      for (const method of ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles', 'FetchWITSVID'] as const) {
        expect(await failureOf(channel.serverStream('SpiffeWorkloadAPI', method, {}))).toMatchObject({ code: 'METADATA_MISSING', status: 'INVALID_ARGUMENT' })
      }
      for (const method of ['FetchJWTSVID', 'ValidateJWTSVID'] as const) {
        await expect(channel.unary('SpiffeWorkloadAPI', method, {})).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' })
      }
    }
  })

  test('EP-04 the metadata is asked for on the Workload API alone, not on health or reflection', async () => {
    using channel = api.client({})
    expect(await channel.unary('grpc.health.v1.Health', 'Check', { service: '' })).toEqual({ status: 'SERVING' })
  })

  test('EP-05 EP-06 no TLS and no credential is asked of the client: the socket itself tells who calls', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    expect((await stream.next()).svids).toHaveLength(1)
  })

  test('EP-12 an agent that does not know its entries yet answers Unavailable', async () => {
    await using early = await TestApi.start({ synced: false, syncWaitMs: 20 })
    await using stream = new SvidStream(early)
    await expect(stream.next()).rejects.toMatchObject({ status: 'UNAVAILABLE' })
  })

  test('EP-12 a call that comes before the first sync waits for it', async () => {
    await using early = await TestApi.start({ synced: false, syncWaitMs: 5_000 })
    await using stream = new SvidStream(early)
    const first = stream.next()
    early.entriesAre(anEntry('a', { selectors: mine }))
    early.synced()
    expect((await first).svids).toHaveLength(1)
  })

  test('EP-12 too many streams of one process are refused with Unavailable, and room comes back when one ends', async () => {
    await restart({ limits: { streamsPerProcess: 2 } })
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using one = new SvidStream(api)
    await one.next()
    {
      await using two = new SvidStream(api)
      await two.next()
      await using three = new SvidStream(api)
      await expect(three.next()).rejects.toMatchObject({ status: 'UNAVAILABLE' })
    }
    // the place is free once the server has seen its stream end
    await expect
      .poll(async () => {
        await using four = new SvidStream(api)
        return (await four.next().catch(() => undefined))?.svids.length
      })
      .toBe(1)
  })

  test('EP-13 WX-07 a process without identity gets PermissionDenied, with a hint', async () => {
    api.entriesAre(anEntry('a', { selectors: nobodys }))
    await using stream = new SvidStream(api)
    const failure = await stream.next().catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'NO_IDENTITY', status: 'PERMISSION_DENIED' })
    expect(failure instanceof MayflyError ? failure.hint : '').toContain(`mayfly why ${process.pid}`)
  })

  test('EP-14 WAPI-01 WW-01 the profiles that are switched off answer Unimplemented', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    using channel = api.client()
    await expect(channel.unary('SpiffeWorkloadAPI', 'FetchJWTSVID', { audience: ['x'] })).rejects.toMatchObject({ status: 'UNIMPLEMENTED' })
    await expect(channel.unary('SpiffeWorkloadAPI', 'ValidateJWTSVID', { audience: 'x', svid: 'y' })).rejects.toMatchObject({ status: 'UNIMPLEMENTED' })
    for (const method of ['FetchJWTBundles', 'FetchWITSVID', 'FetchWITBundles'] as const) {
      expect(await failureOf(channel.serverStream('SpiffeWorkloadAPI', method, {}))).toMatchObject({ status: 'UNIMPLEMENTED' })
    }
  })

  test('EP-15 EP-17 what is ours is a service of its own on the same endpoint, and reflection names it', async () => {
    using channel = api.client({})
    const names: string[] = []
    async function* request(): AsyncGenerator<{ listServices: string }> {
      yield { listServices: '*' }
    }
    for await (const { listServicesResponse } of channel.bidi('grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo', request())) {
      names.push(...(listServicesResponse?.service ?? []).map(({ name }) => name))
    }
    expect(names).toEqual(expect.arrayContaining(['SpiffeWorkloadAPI', 'mayfly.v1.RevocationStream', 'grpc.health.v1.Health']))
  })

  test('EP-02 :authority may be localhost or the percent-encoded path of the socket; Java’s raw path is held by test/rpc', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    const { connect: connectHttp2 } = await import('node:http2')
    for (const authority of ['localhost', encodeURIComponent(api.socket)]) {
      const session = connectHttp2('http://localhost', { createConnection: () => connect(api.socket) })
      const request = session.request({ ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', ':authority': authority, 'content-type': 'application/grpc', te: 'trailers', 'workload.spiffe.io': 'true' })
      request.end(Buffer.alloc(5))
      const data = await new Promise<Buffer>((resolve, reject) => {
        request.once('data', resolve)
        request.once('error', reject)
      })
      expect(data.length).toBeGreaterThan(100)
      session.destroy()
    }
  })
})

describe('FetchX509SVID', () => {
  test('WX-01 WX-02 WX-03 WX-04 WX-05 each identity comes whole: ID, chain, key, bundle', async () => {
    api.entriesAre(anEntry('a', { selectors: mine, hint: 'internal' }))
    await using stream = new SvidStream(api)
    const { svids, crl, federatedBundles } = await stream.next()
    const [svid] = svids
    const leaf = new X509Certificate(svid?.x509Svid ?? '')
    expect(svid?.spiffeId).toBe('spiffe://test.example/a')
    expect(leaf.subjectAltName).toBe('URI:spiffe://test.example/a')
    expect(leaf.checkPrivateKey(createPrivateKey({ key: svid?.x509SvidKey ?? Buffer.alloc(0), format: 'der', type: 'pkcs8' }))).toBe(true)
    expect(svid?.bundle.equals(Buffer.from(api.signer.issuer.certificate))).toBe(true)
    expect(svid?.hint).toBe('internal')
    expect(crl).toEqual([])
    expect(federatedBundles).toEqual({})
  })

  test('WAPI-05 the first message comes without delay: an identity that is signed already takes no signing', async () => {
    api.entriesAre(anEntry('a', { selectors: mine, prefetch: true }))
    await holds(api.svids.changed, () => api.svids.current('a') !== undefined)
    const calls = api.signer.calls.length
    await using stream = new SvidStream(api)
    await stream.next()
    expect(api.signer.calls.length).toBe(calls)
  })

  test('WAPI-04 WAPI-06 an entry that comes is pushed at once, with all others', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    await stream.next()
    api.entriesAre(anEntry('a', { selectors: mine }), anEntry('b', { selectors: mine }))
    expect((await stream.next()).svids.map(({ spiffeId }) => spiffeId)).toEqual(['spiffe://test.example/a', 'spiffe://test.example/b'])
  })

  test('WAPI-06 a rotation is pushed', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    const first = await stream.next()
    api.entriesAre(anEntry('a', { selectors: mine, revision: 1, dnsNames: ['a.test.example'] })) // a revision alone says only that credentials have ended
    const second = await stream.next()
    expect(second.svids[0]?.x509Svid.equals(first.svids[0]?.x509Svid ?? Buffer.alloc(0))).toBe(false)
  })

  test('WAPI-04 WAPI-06 a bundle that changes is pushed, whole', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    const first = await stream.next()
    const next = new TestIssuer('test.example', systemClock.nowMs())
    api.bundleIs({ der: api.signer.issuer.certificate }, { der: next.certificate })
    const second = await stream.next()
    expect(second.svids[0]?.bundle.equals(Buffer.from(concatBytes(api.signer.issuer.certificate, next.certificate)))).toBe(true)
    expect(second.svids[0]?.x509Svid.equals(first.svids[0]?.x509Svid ?? Buffer.alloc(0))).toBe(true)
  })

  test('WAPI-06 a change that concerns others is not pushed', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    await stream.next()
    api.entriesAre(anEntry('a', { selectors: mine }), anEntry('other', { selectors: nobodys }))
    api.entriesAre(anEntry('a', { selectors: mine }), anEntry('b', { selectors: mine }), anEntry('other', { selectors: nobodys }))
    expect((await stream.next()).svids).toHaveLength(2)
  })

  test('WX-07 WX-08 when the last identity goes the stream ends with PermissionDenied; until then the rest is sent', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }), anEntry('b', { selectors: mine }))
    await using stream = new SvidStream(api)
    await stream.next()
    api.entriesAre(anEntry('b', { selectors: mine }))
    expect((await stream.next()).svids.map(({ spiffeId }) => spiffeId)).toEqual(['spiffe://test.example/b'])
    api.entriesAre()
    await expect(stream.next()).rejects.toMatchObject({ status: 'PERMISSION_DENIED' })
  })

  test('WH-01 the oldest entry is the default identity, in whatever order they came', async () => {
    const young = anEntry('a', { selectors: mine, createdAtSeconds: 300 })
    const old = anEntry('b', { selectors: mine, createdAtSeconds: 100 })
    const middle = anEntry('c', { selectors: mine, createdAtSeconds: 200 })
    api.entriesAre(young, old, middle)
    await using stream = new SvidStream(api)
    expect((await stream.next()).svids.map(({ spiffeId }) => spiffeId.slice(-1))).toEqual(['b', 'c', 'a'])
  })

  test('WH-02 WH-03 hints are unique in a response: the oldest entry keeps the one that several have', async () => {
    api.entriesAre(
      anEntry('a', { selectors: mine, createdAtSeconds: 1, hint: 'x' }),
      anEntry('b', { selectors: mine, createdAtSeconds: 2, hint: 'x' }),
      anEntry('c', { selectors: mine, createdAtSeconds: 3, hint: 'y' }),
      anEntry('d', { selectors: mine, createdAtSeconds: 4 }),
    )
    await using stream = new SvidStream(api)
    expect((await stream.next()).svids.map(({ hint }) => hint)).toEqual(['x', '', 'y', ''])
  })

  test('no other identity takes the place of a default that cannot be had', async () => {
    api.entriesAre(anEntry('b', { selectors: mine, createdAtSeconds: 2, prefetch: true }))
    await holds(api.svids.changed, () => api.svids.current('b') !== undefined)
    api.signer.down = true
    api.entriesAre(anEntry('a', { selectors: mine, createdAtSeconds: 1 }), anEntry('b', { selectors: mine, createdAtSeconds: 2, prefetch: true }))
    await using stream = new SvidStream(api)
    await expect(stream.next()).rejects.toMatchObject({ status: 'UNAVAILABLE' })
  })

  test('an identity that the server refuses to sign is left out; if it is the only one, PermissionDenied', async () => {
    api.signer.refuses = 'TARGET_DISABLED'
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    await expect(stream.next()).rejects.toMatchObject({ status: 'PERMISSION_DENIED' })
  })

  test('an SVID whose authority leaves the bundle is not served again: a new one is signed', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    await using stream = new SvidStream(api)
    await stream.next()
    api.bundleIs({ der: new TestIssuer('test.example', systemClock.nowMs()).certificate })
    await expect(stream.next()).rejects.toMatchObject({ status: 'UNAVAILABLE' })
  })
})

describe('FetchX509Bundles', () => {
  test('WX-09 WX-05 the own trust domain’s bundle, under its SPIFFE ID, and again when it changes', async () => {
    api.entriesAre(anEntry('a', { selectors: mine }))
    using channel = api.client()
    const messages = channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {})
    const first = await messages.next()
    expect(Object.keys(first.value?.bundles ?? {})).toEqual(['spiffe://test.example'])
    const next = new TestIssuer('test.example', systemClock.nowMs())
    api.bundleIs({ der: next.certificate })
    const second = await messages.next()
    expect(second.value?.bundles['spiffe://test.example']?.equals(Buffer.from(next.certificate))).toBe(true)
    expect(api.signer.calls).toEqual([])
    await messages.return()
  })

  test('WX-05 FED-10 WAPI-04 bundles of the trust domains that its entries federate with come under their own names, with the SVIDs and alone, again when one changes, and no others', async () => {
    const [one, two] = [new TestIssuer('one.example', systemClock.nowMs()).certificate, new TestIssuer('two.example', systemClock.nowMs()).certificate]
    const bundle = (trustDomain: string, ...ders: readonly Uint8Array[]): Parameters<typeof api.federation.apply>[0] => ({ trustDomain, bundle: ders.length === 0 ? null : { trustDomain, x509Authorities: ders.map((der) => ({ asn1: Buffer.from(der), tainted: false })), jwtAuthorities: [], witAuthorities: [], refreshHint: 0, sequenceNumber: 1 } })
    api.federation.replace([bundle('one.example', one), bundle('two.example', two)])
    api.entriesAre(anEntry('a', { selectors: mine, federatesWith: ['one.example', 'nobody.example'] }), anEntry('b', { selectors: nobodys, federatesWith: ['two.example'] }))
    await using stream = new SvidStream(api)
    using channel = api.client()
    const alone = channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {})
    const both = async (): Promise<readonly unknown[]> => [(await stream.next()).federatedBundles, (await alone.next()).value?.bundles]
    const own = Buffer.from(api.signer.issuer.certificate)
    expect(await both()).toEqual([{ 'spiffe://one.example': Buffer.from(one) }, { 'spiffe://test.example': own, 'spiffe://one.example': Buffer.from(one) }])
    api.federation.apply(bundle('two.example', one, two)) // nobody's here: nothing is said of it
    api.federation.apply(bundle('one.example', one, two))
    expect(await both()).toEqual([{ 'spiffe://one.example': Buffer.concat([one, two]) }, { 'spiffe://test.example': own, 'spiffe://one.example': Buffer.concat([one, two]) }])
    api.federation.apply(bundle('one.example'))
    expect(await both()).toEqual([{}, { 'spiffe://test.example': own }])
    await alone.return()
  })

  test('WX-07 a process without identity gets PermissionDenied, at once or when its last one goes', async () => {
    using channel = api.client()
    expect(await failureOf(channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}))).toMatchObject({ status: 'PERMISSION_DENIED' })
    api.entriesAre(anEntry('a', { selectors: mine }))
    const messages = channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {})
    await messages.next()
    api.entriesAre()
    await expect(messages.next()).rejects.toMatchObject({ status: 'PERMISSION_DENIED' })
  })
})

async function restart(options: ApiOptions): Promise<void> {
  await api[Symbol.asyncDispose]()
  api = await TestApi.start(options)
}

async function failureOf(stream: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of stream) return 'a message'
    return 'an end'
  } catch (error) {
    return error
  }
}

