import { describe, expect, test } from 'vitest'
import { federationLimits } from '../../../src/core/federated-bundle.ts'
import { derOctetString } from '../../../src/core/der/writer.ts'
import type { Request } from '../../../src/rpc/services.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { startServer, wireEntry } from '../../support/server/test-server.ts'
import type { TestServer } from '../../support/server/test-server.ts'
import { authority, ext, extension, leaf } from '../../support/verify/certificates.ts'

const api = 'spire.api.server.bundle.v1.Bundle' as const
const entryApi = 'spire.api.server.entry.v1.Entry' as const
const one = authority('partner one')
const two = authority('partner two')
type WireBundle = NonNullable<NonNullable<Request<typeof api, 'BatchSetFederatedBundle'>['bundle']>[number]>

const jwt = { publicKey: Buffer.from(PrivateKey.generate().spki), keyId: 'k1', expiresAt: 2_000_000_000 }
const partner = { trustDomain: 'partner.example', x509Authorities: [{ asn1: Buffer.from(one.der) }], jwtAuthorities: [jwt], refreshHint: 60, sequenceNumber: 7 } satisfies WireBundle
const shown = { ...partner, x509Authorities: [{ asn1: Buffer.from(one.der), tainted: false }], jwtAuthorities: [{ ...jwt, tainted: false }], witAuthorities: [] }

async function set(server: TestServer, ...bundle: WireBundle[]): Promise<readonly number[]> {
  const { results } = await server.admin.unary(api, 'BatchSetFederatedBundle', { bundle })
  return results.map(({ status }) => status?.code ?? -1)
}

describe("SPIRE's calls about bundles of other trust domains", () => {
  test('one that is made is shown, listed and counted, as it was given; made again it exists', async () => {
    const { admin } = await startServer()
    const first = await admin.unary(api, 'BatchCreateFederatedBundle', { bundle: [partner] })
    expect(first.results).toEqual([{ status: { code: 0, message: 'OK' }, bundle: shown }])
    const again = await admin.unary(api, 'BatchCreateFederatedBundle', { bundle: [{ ...partner, sequenceNumber: 8 }] })
    expect(again.results).toMatchObject([{ status: { code: 6 }, bundle: null }])
    for (const trustDomain of ['partner.example', 'spiffe://partner.example']) expect(await admin.unary(api, 'GetFederatedBundle', { trustDomain })).toEqual(shown)
    expect(await admin.unary(api, 'ListFederatedBundles', {})).toEqual({ bundles: [shown], nextPageToken: '' })
    expect(await admin.unary(api, 'CountBundles', {})).toEqual({ count: 2 })
  })

  test('FED-05 setting replaces whatever is there, an older sequence number too', async () => {
    const server = await startServer()
    expect(await set(server, partner, { ...partner, sequenceNumber: 3, x509Authorities: [{ asn1: Buffer.from(two.der) }], jwtAuthorities: [] })).toEqual([0, 0])
    expect(await server.admin.unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example' })).toMatchObject({ sequenceNumber: 3, jwtAuthorities: [], x509Authorities: [{ asn1: Buffer.from(two.der) }] })
  })

  test('an update changes what its mask names, without a mask all; of one that is not there it says so', async () => {
    const server = await startServer()
    await set(server, partner)
    const other = { trustDomain: 'partner.example', x509Authorities: [{ asn1: Buffer.from(two.der) }], refreshHint: 99 }
    const update = async (bundle: WireBundle, inputMask: Request<typeof api, 'BatchUpdateFederatedBundle'>['inputMask'] = null): Promise<unknown> => (await server.admin.unary(api, 'BatchUpdateFederatedBundle', { bundle: [bundle], inputMask, outputMask: { refreshHint: true, sequenceNumber: true, x509Authorities: true } })).results[0]
    expect(await update(other, { refreshHint: true })).toMatchObject({ status: { code: 0 }, bundle: { refreshHint: 99, sequenceNumber: 7, x509Authorities: [{ asn1: Buffer.from(one.der) }], jwtAuthorities: [] } })
    expect(await update(other)).toMatchObject({ status: { code: 0 }, bundle: { refreshHint: 99, sequenceNumber: 0, x509Authorities: [{ asn1: Buffer.from(two.der) }] } })
    expect(await update({ trustDomain: 'nobody.example' })).toMatchObject({ status: { code: 5 }, bundle: null })
  })

  test('masks hide what they do not name, never the trust domain', async () => {
    const server = await startServer()
    await set(server, partner)
    const bundle = await server.admin.unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example', outputMask: { sequenceNumber: true } })
    expect(bundle).toEqual({ trustDomain: 'partner.example', sequenceNumber: 7, refreshHint: 0, x509Authorities: [], jwtAuthorities: [], witAuthorities: [] })
  })

  test('a list comes in pages, by name', async () => {
    const server = await startServer()
    await set(server, ...['c', 'a', 'b'].map((name) => ({ ...partner, trustDomain: `${name}.example` })))
    const names: string[] = []
    let pageToken = ''
    do {
      const page = await server.admin.unary(api, 'ListFederatedBundles', { pageSize: 2, pageToken, outputMask: {} })
      names.push(...page.bundles.map(({ trustDomain }) => trustDomain))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(names).toEqual(['a.example', 'b.example', 'c.example'])
    await expect(server.admin.unary(api, 'ListFederatedBundles', { pageSize: 2, pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
  })

  test('bundles that do not fit one message are given in pages alone', async () => {
    const server = await startServer()
    const padding = extension('1.3.6.1.4.1.99999.1', false, derOctetString(new Uint8Array(14_000)))
    const x509Authorities = Array.from({ length: 8 }, (_, n) => ({ asn1: Buffer.from(authority(`long ${n}`, { extensions: { padding } }).der) }))
    for (let n = 0; n < 40; n += 20) expect(await set(server, ...Array.from({ length: 20 }, (_, at) => ({ trustDomain: `d${n + at}.example`, x509Authorities })))).not.toContain(3)
    await expect(server.admin.unary(api, 'ListFederatedBundles', {})).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    const page = await server.admin.unary(api, 'ListFederatedBundles', { pageSize: 1_000 })
    expect(page.bundles.length).toBeGreaterThan(10)
    expect(page.nextPageToken).not.toBe('')
  })

  test('deleting refuses while entries federate with it, dissociates them or deletes them, and says which bundle is not there', async () => {
    const server = await startServer()
    const { admin, join } = server
    const agent = await join()
    await set(server, partner)
    const remove = async (trustDomain: string, mode: 'RESTRICT' | 'DISSOCIATE' | 'DELETE'): Promise<unknown> => (await admin.unary(api, 'BatchDeleteFederatedBundle', { trustDomains: [trustDomain], mode })).results
    const [id = ''] = await server.createEntries(agent.id, ['/web'], { federatesWith: ['partner.example'] })
    expect(await remove('partner.example', 'RESTRICT')).toMatchObject([{ status: { code: 9, message: expect.stringMatching(/federated with 1 registration entry/) as string }, trustDomain: 'partner.example' }])
    expect(await remove('spiffe://partner.example', 'DISSOCIATE')).toMatchObject([{ status: { code: 0 }, trustDomain: 'spiffe://partner.example' }])
    expect(await admin.unary(entryApi, 'GetEntry', { id })).toMatchObject({ federatesWith: [] })
    expect(await remove('partner.example', 'RESTRICT')).toMatchObject([{ status: { code: 5 } }])
    await set(server, partner)
    await server.createEntries(agent.id, ['/db'], { federatesWith: ['partner.example'] })
    expect(await remove('partner.example', 'DELETE')).toMatchObject([{ status: { code: 0 } }])
    expect((await admin.unary(entryApi, 'ListEntries', {})).entries.map(({ id: left }) => left)).toEqual([id])
    expect(await admin.unary(api, 'CountBundles', {})).toEqual({ count: 1 })
  })

  test('an entry that names a trust domain without a bundle is refused, as in SPIRE, and says which', async () => {
    const { admin, join } = await startServer()
    const agent = await join()
    const { results } = await admin.unary(entryApi, 'BatchCreateEntry', { entries: [wireEntry('/web', agent.id, { federatesWith: ['partner.example'] })] })
    expect(results).toMatchObject([{ status: { code: 9, message: 'BUNDLE_UNKNOWN: unable to find federated bundle "partner.example"' } }])
  })

  test("the server's own trust domain and what is none are refused, each by itself", async () => {
    const server = await startServer()
    expect(await set(server, { ...partner, trustDomain: 'example.org' }, partner, { ...partner, trustDomain: 'Not One' }, { ...partner, trustDomain: '' })).toEqual([3, 0, 3, 3])
    const { results } = await server.admin.unary(api, 'BatchDeleteFederatedBundle', { trustDomains: ['example.org', 'partner.example', '!'] })
    expect(results.map(({ status }) => status?.code)).toEqual([3, 0, 3])
    await expect(server.admin.unary(api, 'GetFederatedBundle', { trustDomain: 'example.org' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  const refused: readonly (readonly [string, number, Partial<WireBundle>])[] = [
    ['what is no certificate', 3, { x509Authorities: [{ asn1: Buffer.from('nonsense') }] }],
    ['two certificates as one', 3, { x509Authorities: [{ asn1: Buffer.concat([one.der, two.der]) }] }],
    ['none at all as one', 3, { x509Authorities: [{ asn1: Buffer.alloc(0) }] }],
    ['a certificate that is no authority', 3, { x509Authorities: [{ asn1: Buffer.from(leaf(one).der) }] }],
    ['an authority that may not be one', 3, { x509Authorities: [{ asn1: Buffer.from(authority('a', { extensions: { basicConstraints: ext.basicConstraints(false) } }).der) }] }],
    ['too many authorities', 8, { x509Authorities: Array.from({ length: federationLimits.authorities + 1 }, () => ({ asn1: Buffer.from(one.der) })) }],
    ['one that is too long', 8, { x509Authorities: [{ asn1: Buffer.alloc(federationLimits.certificateBytes + 1) }] }],
    ['a JWT key without an ID', 3, { jwtAuthorities: [{ ...jwt, keyId: '' }] }],
    ['a JWT key that is none', 3, { jwtAuthorities: [{ ...jwt, publicKey: Buffer.from('nonsense') }] }],
    ['two JWT keys of one ID', 3, { jwtAuthorities: [jwt, jwt] }],
    ['a refresh hint below zero', 3, { refreshHint: -1 }],
  ]
  test('what no verifier could use, or is too much, is refused, and nothing of it is kept', async () => {
    const server = await startServer()
    for (const [what, code, broken] of refused) expect([what, await set(server, { ...partner, ...broken })]).toEqual([what, [code]])
    expect(await server.admin.unary(api, 'CountBundles', {})).toEqual({ count: 1 })
  })

  test('an authority that is there twice is kept once; a bundle may be empty', async () => {
    const server = await startServer()
    const asn1 = Buffer.from(one.der)
    expect(await set(server, { ...partner, x509Authorities: [{ asn1 }, { asn1 }] }, { trustDomain: 'empty.example' })).toEqual([0, 0])
    expect((await server.admin.unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example' })).x509Authorities).toHaveLength(1)
    expect((await server.admin.unary(api, 'GetFederatedBundle', { trustDomain: 'empty.example' })).x509Authorities).toEqual([])
  })

  test('an agent reads a bundle, and changes, lists and counts none', async () => {
    const server = await startServer()
    await set(server, partner)
    const { channel } = await server.join()
    expect(await channel.unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example' })).toEqual(shown)
    await expect(channel.unary(api, 'GetFederatedBundle', { trustDomain: 'other.example' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    for (const method of ['ListFederatedBundles', 'CountBundles', 'BatchSetFederatedBundle', 'BatchDeleteFederatedBundle'] as const) await expect(channel.unary(api, method, {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(server.tls().unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('bundles are there after a restart', async () => {
    const server = await startServer()
    await set(server, partner)
    await server.stop()
    const { admin } = await startServer({ dataDir: server.dataDir })
    expect(await admin.unary(api, 'GetFederatedBundle', { trustDomain: 'partner.example' })).toEqual(shown)
  })
})
