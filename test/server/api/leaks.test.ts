import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../../src/core/bytes.ts'
import { leakStatement } from '../../../src/core/leak.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { RpcChannel } from '../../../src/rpc/channel.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { startServer, trustDomain } from '../../support/server/test-server.ts'

function reportOf(key: PrivateKey, domain = trustDomain): { publicKey: Buffer; signature: Buffer } {
  return { publicKey: Buffer.from(key.spki), signature: Buffer.from(key.sign(leakStatement(domain, publicKeyHash(key.spki)))) }
}

async function mint(admin: RpcChannel, key: PrivateKey, path = '/job'): Promise<string> {
  const { svid } = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: [`spiffe://example.org${path}`] })), ttl: 300 })
  const { credentials } = await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { spiffeId: `spiffe://example.org${path}` } })
  expect(svid?.certChain).toHaveLength(1)
  return credentials.at(-1)?.serial ?? ''
}

test('whoever holds a key ends all that was issued to it, without a certificate or any right, and the key is denied', async () => {
  for (const kind of ['P-256', 'P-384', 'Ed25519'] as const) {
    const { admin, tls, log } = await startServer()
    const key = PrivateKey.generate(kind)
    const serials = kind === 'P-256' ? [await mint(admin, key), await mint(admin, key)] : []
    const answer = await tls().unary('mayfly.v1.Leaks', 'Report', reportOf(key))
    expect(answer).toMatchObject(kind === 'P-256' ? { known: true, denied: true, credentials: 2 } : { known: false, denied: false, credentials: 0 })
    if (kind !== 'P-256') continue
    for (const serial of serials) expect((await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial } })).credentials).toMatchObject([{ state: 'revoked', cause: 'leak' }])
    await expect(mint(admin, key)).rejects.toMatchObject({ code: 'KEY_DENIED' })
    expect(log.facts.filter(({ event }) => event === 'key.leaked')).toMatchObject([{ publicKeyHash: toHex(publicKeyHash(key.spki)), by: 'anonymous', credentials: 2 }])
    // Again: nothing more happens.
    expect(await tls().unary('mayfly.v1.Leaks', 'Report', reportOf(key))).toMatchObject({ known: true, denied: true, credentials: 0, streamSeq: answer.streamSeq })
    expect((await admin.unary('mayfly.v1.Status', 'Get', {})).journalSeq).toBeGreaterThan(0)
  }
})

test('an agent’s leaked key ends that agent’s SVID', async () => {
  const { join, tls } = await startServer()
  const agent = await join()
  expect(await tls().unary('mayfly.v1.Leaks', 'Report', reportOf(agent.key))).toMatchObject({ known: true, credentials: 1 })
  await expect(agent.channel.unary('spire.api.server.agent.v1.Agent', 'PostStatus', { agentVersion: 'x' })).rejects.toThrow()
})

test('a key that nothing was issued to leaves no trace, unless an administrator asks', async () => {
  const { admin, tls } = await startServer()
  const key = PrivateKey.generate()
  const before = (await admin.unary('mayfly.v1.Status', 'Get', {})).journalSeq
  expect(await tls().unary('mayfly.v1.Leaks', 'Report', reportOf(key))).toMatchObject({ known: false, denied: false })
  await expect(tls().unary('mayfly.v1.Leaks', 'Report', { ...reportOf(key), denyUnknown: true })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect((await admin.unary('mayfly.v1.Status', 'Get', {})).journalSeq).toBe(before)
  expect(await admin.unary('mayfly.v1.Leaks', 'Report', { ...reportOf(key), denyUnknown: true, reason: 'found in a repository' })).toMatchObject({ known: false, denied: true, credentials: 0 })
  await expect(mint(admin, key)).rejects.toMatchObject({ code: 'KEY_DENIED' })
})

test('another key’s signature, another trust domain’s words, damaged bytes and authorities’ keys end nothing', async () => {
  const { admin, tls, dataDir } = await startServer()
  const key = PrivateKey.generate()
  const serial = await mint(admin, key)
  const anyone = tls()
  const good = reportOf(key)
  const forged = [
    { ...good, signature: reportOf(PrivateKey.generate()).signature },
    reportOf(key, parseTrustDomain('other.example')),
    { ...good, signature: Buffer.from(key.sign(publicKeyHash(key.spki))) },
    { ...good, signature: good.signature.subarray(1) },
  ]
  for (const report of forged) await expect(anyone.unary('mayfly.v1.Leaks', 'Report', report)).rejects.toMatchObject({ code: 'KEY_UNPROVEN' })
  const malformed = [{ ...good, publicKey: Buffer.from('junk') }, { ...good, publicKey: Buffer.alloc(0) }, { ...good, publicKey: Buffer.alloc(5_000, 0x30) }, { ...good, signature: Buffer.alloc(0) }]
  for (const report of malformed) await expect(anyone.unary('mayfly.v1.Leaks', 'Report', report)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect((await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial } })).credentials).toMatchObject([{ state: 'released' }])

  const [file = ''] = readdirSync(`${dataDir}/keys`).filter((name) => name.startsWith('authority-'))
  const authority = PrivateKey.fromPem(readFileSync(`${dataDir}/keys/${file}`, 'utf8'))
  await expect(admin.unary('mayfly.v1.Leaks', 'Report', reportOf(authority))).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', hint: expect.stringContaining('authority taint') })
})

test('an address that reports without end is slowed down; administrators are not', async () => {
  const { admin, tls } = await startServer()
  const key = PrivateKey.generate()
  const anyone = tls()
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => anyone.unary('mayfly.v1.Leaks', 'Report', reportOf(key))))
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => (reason as { code: string }).code)
  expect(refused.length).toBeGreaterThan(20)
  expect(new Set(refused)).toEqual(new Set(['LIMIT_EXCEEDED']))
  for (let at = 0; at < 30; at++) await admin.unary('mayfly.v1.Leaks', 'Report', reportOf(key))
})

test('the words name one trust domain and one key', () => {
  const domain = fc.stringMatching(/^[a-z0-9.-]{1,40}$/).filter((text) => !/^[.-]|\.$/.test(text)).map((text) => parseTrustDomain(text))
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(domain, hash, domain, hash, (domainA, hashA, domainB, hashB) => {
      const same = domainA === domainB && toHex(hashA) === toHex(hashB)
      expect(toHex(leakStatement(domainA, hashA)) === toHex(leakStatement(domainB, hashB))).toBe(same)
    }),
  )
})
