import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { memberOf } from '../../../src/verify/authorize.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { verifySignerChain } from '../../../src/verify/signer-chain.ts'
import { revocationUnchecked } from '../../../src/verify/checker.ts'
import { verifyX509Svid } from '../../../src/verify/verify-svid.ts'
import { wholeSeconds } from '../../../src/core/validity.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { authorityIdOf, publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { oid } from '../../../src/x509/oids.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../../src/x509/template.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import type { DiskUpstreamConfig } from '../../../server/ca/upstream/disk.ts'
import type { RpcChannel } from '../../../src/rpc/channel.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { startServer, temporaryFolder, trustDomain, type TestAgent, type TestServer } from '../../support/server/test-server.ts'
import { authority, ext } from '../../support/verify/certificates.ts'

const svidApi = 'spire.api.server.svid.v1.SVID' as const
const snapshotKind = 3
const nested = `spiffe://${trustDomain}/nested`

/** A connection with the SVID of an entry, as a nested server has it. */
async function workload({ tls }: TestServer, agent: TestAgent, entryId: string): Promise<RpcChannel> {
  const key = PrivateKey.generate()
  const { results } = await agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(key) }] })
  return tls({ certificateChain: results[0]?.svid?.certChain ?? [], privateKey: key.keyObject })
}

interface Nested {
  readonly server: TestServer
  readonly agent: TestAgent
  readonly entryId: string
  readonly channel: RpcChannel
}

async function nestedServer(more: Parameters<TestServer['createEntries']>[2] = {}, upstream?: DiskUpstreamConfig): Promise<Nested> {
  const server = await startServer(upstream === undefined ? {} : { config: { upstream } })
  const agent = await server.join()
  const [entryId = ''] = await server.createEntries(agent.id, ['/nested'], { downstream: true, ...more })
  return { server, agent, entryId, channel: await workload(server, agent, entryId) }
}

/** The authority that a nested server was given, as certificates and key. */
async function authorityFor(channel: RpcChannel, key = PrivateKey.generate(), preferredTtl = 0): Promise<{ readonly key: PrivateKey; readonly chain: readonly Buffer[]; readonly roots: readonly Buffer[] }> {
  const { caCertChain, x509Authorities } = await channel.unary(svidApi, 'NewDownstreamX509CA', { csr: buildCsr(key), preferredTtl })
  return { key, chain: caCertChain, roots: x509Authorities }
}

/** What a nested server signs for `uri`. Its serial is none of ours. */
function leafBelow({ key, chain }: Awaited<ReturnType<typeof authorityFor>>, uri: string | undefined, profile = loadProfiles().svids['x509-svid'], spki = PrivateKey.generate().spki): readonly Uint8Array[] {
  const issuer = parseCertificate(chain[0] ?? new Uint8Array(0))
  const template = new LeafTemplate(profile, { name: issuer.subject, keyId: issuer.extensions.subjectKeyId ?? new Uint8Array(0), keyKind: key.kind })
  const now = wholeSeconds(Date.now())
  const toBeSigned = template.toBeSigned({ serial: new Uint8Array(8).fill(5), notBeforeMs: now - 5_000, notAfterMs: now + 60_000, spki, subjectKeyId: subjectKeyIdOf(publicKeyHash(spki)), uri, dnsNames: [] })
  return [certificateOf(toBeSigned, key.sign(toBeSigned), key.kind), ...chain]
}

/** Whether the set names this authority: one that was never indexed is there only when it is revoked. */
async function isInStream({ admin }: TestServer, authorityId: string): Promise<boolean> {
  for await (const { frame } of admin.serverStream('mayfly.v1.RevocationStream', 'Watch', { position: null })) {
    if (frame[0] === snapshotKind) return frame.includes(Buffer.from(authorityId, 'hex'))
  }
  throw new Error('no snapshot')
}

test('a nested server gets an authority of the trust domain, restricted to SVIDs, within the time of the one above', async () => {
  const { channel } = await nestedServer()
  const before = Date.now()
  const { chain, roots } = await authorityFor(channel, PrivateKey.generate(), 3_600)
  const [first] = chain.map(parseCertificate)
  expect(first?.extensions).toMatchObject({ basicConstraints: { ca: true, pathLength: 2, critical: true }, keyUsage: { bits: 0x60 }, extKeyUsage: { oids: [oid.serverAuth, oid.clientAuth] }, subjectAltName: { uris: [`spiffe://${trustDomain}`] } })
  expect(first?.notAfterMs).toBeLessThanOrEqual(Date.now() + 3_600_000)
  expect(first?.notAfterMs).toBeGreaterThan(before + 3_500_000)
  expect(roots).toHaveLength(1)
  const longest = await authorityFor(channel, PrivateKey.generate(), 2_000_000)
  expect(parseCertificate(longest.chain[0] ?? new Uint8Array(0)).notAfterMs).toBeLessThanOrEqual(parseCertificate(roots[0] ?? new Uint8Array(0)).notAfterMs)
})

test('what is signed below it verifies up to the bundle; a verifier that knows the stream calls it unindexed', async () => {
  const { channel } = await nestedServer()
  const authority = await authorityFor(channel)
  const bundles = BundleSet.of({ trustDomain, x509Authorities: authority.roots })
  const verify = (chain: readonly Uint8Array[], issuedHere?: boolean): string => verifyX509Svid(chain, { bundles, allow: memberOf(trustDomain), revocation: revocationUnchecked, nowMs: Date.now(), ...(issuedHere === undefined ? {} : { issuedHere }) }).kind
  expect(verify(leafBelow(authority, `spiffe://${trustDomain}/below`))).toBe('accepted')
  expect(verify(leafBelow(authority, `spiffe://${trustDomain}/spire/server`), true)).toBe('untrusted')
})

test('a nested server certifies no key of the revocation stream', async () => {
  const { channel } = await nestedServer()
  const authority = await authorityFor(channel)
  const anchors = BundleSet.of({ trustDomain, x509Authorities: authority.roots }).authoritiesOf(trustDomain)
  const forged = leafBelow(authority, undefined, loadProfiles().streamSigner, PrivateKey.generate('Ed25519').spki)
  expect(verifySignerChain(forged, anchors, Date.now())).toEqual({ kind: 'refused', why: 'an authority is restricted to other extended key usages' })
})

test('the server takes no agent below a nested server for one of its own, and none of its calls', async () => {
  const { server, agent, channel } = await nestedServer()
  const key = PrivateKey.generate()
  const chain = leafBelow(await authorityFor(channel), agent.id, undefined, key.spki)
  const forged = server.tls({ certificateChain: chain.map((der) => Buffer.from(der)), privateKey: key.keyObject })
  await expect(forged.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  await expect(forged.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: buildCsr(key) } })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})

test.for<[string, (nestedOne: Nested) => Promise<unknown>]>([
  ['its entry is deleted', ({ server, entryId }) => server.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [entryId] })],
  ['its ID is revoked', ({ server }) => server.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: nested }, reason: 'over' })],
  ['its agent is banned', ({ server, agent }) => server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: { trustDomain, path: agent.id.slice(`spiffe://${trustDomain}`.length) } })],
])('when %s, the authority is revoked in the stream with all below, and it gets no other', async ([, end]) => {
  const one = await nestedServer()
  const authority = await authorityFor(one.channel)
  const id = authorityIdOf(authority.key.spki)
  expect(await isInStream(one.server, id)).toBe(false)
  await end(one)
  expect(await isInStream(one.server, id)).toBe(true)
  await expect(authorityFor(one.channel)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})

test('only an SVID of a downstream entry gets one: no agent, no administrator, no other workload, nobody', async () => {
  const { server, agent } = await nestedServer()
  const [plain = ''] = await server.createEntries(agent.id, ['/plain'])
  for (const channel of [agent.channel, server.admin, await workload(server, agent, plain)]) await expect(authorityFor(channel)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  await expect(authorityFor(server.tls())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a key that is no request, or was another’s, is refused', async () => {
  const { agent, channel, entryId } = await nestedServer()
  await expect(channel.unary(svidApi, 'NewDownstreamX509CA', { csr: Buffer.from('garbage') })).rejects.toMatchObject({ code: 'CSR_INVALID' })
  await expect(channel.unary(svidApi, 'NewDownstreamX509CA', {})).rejects.toMatchObject({ code: 'CSR_INVALID' })
  const key = PrivateKey.generate()
  await agent.channel.unary(svidApi, 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(key) }] })
  await expect(authorityFor(channel, key)).rejects.toMatchObject({ code: 'KEY_DENIED' })
})

test('an authority ends with its entry, if that ends sooner', async () => {
  const expiresAt = Math.floor(Date.now() / 1_000) + 120
  const { channel } = await nestedServer({ expiresAt })
  const { chain } = await authorityFor(channel)
  expect(parseCertificate(chain[0] ?? new Uint8Array(0)).notAfterMs).toBeLessThanOrEqual(expiresAt * 1_000)
})

/** Files of a root, valid now, that the server's own authorities stand below. */
function upstreamRoot(pathLength?: number): DiskUpstreamConfig & { readonly root: Uint8Array } {
  const now = wholeSeconds(Date.now())
  const root = authority('root', { notBeforeMs: now - 3_600_000, notAfterMs: now + 86_400_000, extensions: { basicConstraints: ext.basicConstraints(true, pathLength) } })
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'root.pem'), encodeCertificatesPem([root.der]))
  writeFileSync(join(folder, 'root.key'), root.key.toPem(), { mode: 0o600 })
  return { certPath: join(folder, 'root.pem'), keyPath: join(folder, 'root.key'), bundlePath: undefined, crlPath: undefined, root: root.der }
}

test('below an upstream authority the chain leads to its root, and the bundle is the root alone', async () => {
  const { root, ...upstream } = upstreamRoot()
  const { channel } = await nestedServer({}, upstream)
  const below = await authorityFor(channel)
  expect(below.chain).toHaveLength(2)
  expect(below.roots.map((der) => new Uint8Array(der))).toEqual([new Uint8Array(root)])
  const bundles = BundleSet.of({ trustDomain, x509Authorities: below.roots })
  expect(verifyX509Svid(leafBelow(below, `spiffe://${trustDomain}/below`), { bundles, allow: memberOf(trustDomain), revocation: revocationUnchecked, nowMs: Date.now() })).toMatchObject({ kind: 'accepted' })
})

test('a path length above leaves room for so many authorities and no more; for none nothing is signed, and nothing written down', async () => {
  const { root: _two, ...two } = upstreamRoot(2)
  const { chain } = await authorityFor((await nestedServer({}, two)).channel)
  expect(parseCertificate(chain[0] ?? new Uint8Array(0)).extensions.basicConstraints?.pathLength).toBe(0)
  const { root: _one, ...one } = upstreamRoot(1)
  const { server, channel, entryId } = await nestedServer({}, one)
  const credentials = async (): Promise<number> => (await server.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { entryId } })).credentials.length
  const before = await credentials()
  await expect(authorityFor(channel)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', message: expect.stringMatching(/path length/) as string })
  expect(await credentials()).toBe(before)
})
