import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AuthoritySet } from '../../../server/ca/authorities.ts'
import { MemoryKeyStore } from '../../../server/ca/key-store.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { DiskUpstream } from '../../../server/ca/upstream/disk.ts'
import { upstreamKeyIds } from '../../../server/ca/upstream/ending.ts'
import { UpstreamLists } from '../../../server/crl/upstream-lists.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import * as files from '../../../src/system/files.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { buildCrl, parseCrl } from '../../../src/x509/crl.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { encodeCertificatesPem, encodePem } from '../../../src/x509/pem.ts'
import { SlowPath } from '../../../src/x509/peculiar/slow-path.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { MemoryAuthorities } from '../../support/ca/memory-authorities.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { authority, ext, nowMs, trustDomain } from '../../support/verify/certificates.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const operator = { name: 'uid:0', atMs: 0 }
const root = authority('upstream root')
let folder: string
let clock: FakeClock
let slowPath: SlowPath
let store: MemoryAuthorities
let keys: MemoryKeyStore
let random: SeededRandom
let set: AuthoritySet | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mf-'))
  clock = new FakeClock(nowMs)
  slowPath = new SlowPath(clock)
  store = new MemoryAuthorities()
  keys = new MemoryKeyStore()
  random = new SeededRandom()
  set = undefined
})
afterEach(async () => {
  await set?.[Symbol.asyncDispose]()
  await slowPath[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

type Issued = ReturnType<typeof authority>

/** Writes the files of an upstream authority; `roots` where it is none itself. */
async function upstreamOf(chain: readonly Issued[], { key = chain[0]?.key ?? root.key, roots, crls = [] }: { key?: PrivateKey; roots?: readonly Issued[]; crls?: readonly Uint8Array[] } = {}): Promise<DiskUpstream> {
  const path = (name: string): string => join(folder, name)
  await writeFile(path('cert.pem'), encodeCertificatesPem(chain.map(({ der }) => der)))
  await writeFile(path('key.pem'), key.toPem())
  await writeFile(path('bundle.pem'), encodeCertificatesPem((roots ?? []).map(({ der }) => der)))
  await writeFile(path('crl.pem'), crls.map((der) => encodePem('X509 CRL', der)).join(''))
  const config = { certPath: path('cert.pem'), keyPath: path('key.pem'), bundlePath: roots === undefined ? undefined : path('bundle.pem'), crlPath: crls.length === 0 ? undefined : path('crl.pem') }
  return new DiskUpstream(config, { trustDomain: parseTrustDomain(trustDomain), files, clock })
}

async function start(upstream: DiskUpstream | undefined, lifeMs = hourMs): Promise<AuthoritySet> {
  await set?.[Symbol.asyncDispose]()
  set = await AuthoritySet.start(
    { trustDomain: parseTrustDomain(trustDomain), lifeMs, keyType: 'ec-p256', refreshHintSeconds: 300 },
    { profiles: loadProfiles(), store, keys, upstream, clock, random, slowPath, log: new KeptLog(), acknowledged: () => true },
  )
  return set
}
describe('below an upstream root', () => {
  test('the bundle holds the root, and what is signed comes with the authority', async () => {
    const { active, bundle } = await start(await upstreamOf([root])).then((started) => ({ active: started.active(), bundle: started.bundle() }))
    expect(bundle.x509Authorities).toEqual([root.der])
    expect(active.chain.map((der) => Buffer.from(der))).toEqual([Buffer.from(active.certificate.raw)])
    expect(active.certificate.issuer).toEqual(parseCertificate(root.der).subject)
    expect(active.certificate.extensions.authorityKeyId).toEqual(parseCertificate(root.der).extensions.subjectKeyId)
  })

  test('an authority does not outlive it, and is not made again and again when it ends', async () => {
    const short = authority('short', { notAfterMs: nowMs + 30 * 60_000 })
    const started = await start(await upstreamOf([short]))
    expect(started.active().certificate.notAfterMs).toBe(nowMs + 30 * 60_000)
    const before = store.history.length
    await clock.advance(20 * 60_000)
    expect(store.history).toHaveLength(before)
  })

  test('a restart goes on with the same authority', async () => {
    const upstream = await upstreamOf([root])
    const { id, chain } = (await start(upstream)).active()
    const again = (await start(upstream)).active()
    expect([again.id, again.chain]).toEqual([id, chain])
  })
})

test('below an intermediate the chain leads on, and the bundle holds its root', async () => {
  const middle = authority('middle', {}, root)
  const started = await start(await upstreamOf([middle], { roots: [root] }))
  expect(started.bundle().x509Authorities).toEqual([root.der])
  expect(started.active().chain.map((der) => Buffer.from(der))).toEqual([Buffer.from(started.active().certificate.raw), Buffer.from(middle.der)])
})

describe('when the files change', () => {
  test('another authority is prepared below the new one and takes over; both roots are in the bundle until the old is over', async () => {
    const started = await start(await upstreamOf([root]), 10 * hourMs)
    const first = started.active().id
    const next = authority('next root')
    await upstreamOf([next])
    const changed = new Promise<void>((resolve) => void started.onChange(() => started.active().id === first || resolve()))
    started.reconsiderUpstream()
    await changed
    expect(started.active().certificate.issuer).toEqual(parseCertificate(next.der).subject)
    expect(started.bundle().x509Authorities).toEqual([root.der, next.der])
  })

  test('whoever looks is told that it is another, or why it cannot be used; then the one before stays', async () => {
    const started = await start(await upstreamOf([root]), 10 * hourMs)
    expect(await started.lookAtUpstream()).toEqual({ changed: false, problem: undefined })
    const next = authority('next root')
    await upstreamOf([next], { key: root.key })
    expect(await started.lookAtUpstream()).toEqual({ changed: false, problem: expect.stringContaining('is not the key of the first certificate') as string })
    expect(started.upstream()?.certificate.subject).toEqual(parseCertificate(root.der).subject)
    expect(started.upstreamProblem()).toContain('is not the key')
    await upstreamOf([next])
    expect(await started.lookAtUpstream()).toEqual({ changed: true, problem: undefined })
    expect(started.upstreamProblem()).toBeUndefined()
    expect(await started.lookAtUpstream()).toEqual({ changed: false, problem: undefined })
  })

  test('a server that signed itself moves below it, and is vouched for by itself', async () => {
    const alone = await start(undefined, 10 * hourMs)
    const [self] = alone.bundle().x509Authorities
    const below = await start(await upstreamOf([root]), 10 * hourMs)
    expect(below.active().certificate.issuer).toEqual(parseCertificate(root.der).subject)
    expect(below.bundle().x509Authorities).toEqual([self, root.der])
    expect(below.vouchers()).toHaveLength(1)
  })

  test('files that cannot be used change nothing', async () => {
    const started = await start(await upstreamOf([root]), 10 * hourMs)
    const { id } = started.active()
    await writeFile(join(folder, 'cert.pem'), 'nothing')
    await started.prepare(operator)
    expect(started.active().id).toBe(id)
    expect(store.rows.size).toBe(2)
  })
})

describe('refused, with a code and the reason', () => {
  const other = authority('another root')
  const limited = authority('limited', { extensions: { basicConstraints: ext.basicConstraints(true, 0) } })
  const cases: readonly [string, () => Promise<DiskUpstream>, RegExp][] = [
    ['a key of another certificate', async () => upstreamOf([root], { key: PrivateKey.generate() }), /is not the key of/],
    ['a certificate that has expired', async () => upstreamOf([authority('old', { notAfterMs: nowMs - 1_000 })]), /has expired/],
    ['one that is not valid yet', async () => upstreamOf([authority('early', { notBeforeMs: nowMs + 60_000 })]), /not valid yet/],
    ['one that is no authority', async () => upstreamOf([authority('leaf', { extensions: { basicConstraints: ext.basicConstraints(false) } })]), /may not sign certificates/],
    ['one without keyCertSign', async () => upstreamOf([authority('list', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.cRLSign) } })]), /may not sign certificates/],
    ['a path length of none', async () => upstreamOf([limited]), /path length is 0|may sign no authorities/],
    ['a root whose path length leaves no room', async () => upstreamOf([authority('middle', {}, authority('tight', { extensions: { basicConstraints: ext.basicConstraints(true, 1) } }))], { roots: [authority('tight')] }), /does not lead to its bundle/],
    ['an intermediate without its root', async () => upstreamOf([authority('middle', {}, root)]), /is no root/],
    ['an intermediate of another root', async () => upstreamOf([authority('middle', {}, root)], { roots: [other] }), /does not lead to its bundle/],
    ['a bundle of what is no root', async () => upstreamOf([authority('middle', {}, root)], { roots: [authority('middle', {}, root)] }), /no root/],
    ['a root with others beside it', async () => upstreamOf([root, other]), /does not belong to it/],
  ]
  for (const [what, make, why] of cases) {
    test(what, async () => {
      const upstream = await make()
      await expect(upstream.current()).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringMatching(why) as string })
      await expect(start(upstream)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
      expect(store.rows.size).toBe(0)
    })
  }

  test('what shows at the first authority alone: path lengths and name constraints above', async () => {
    const tight = authority('tight', { extensions: { basicConstraints: ext.basicConstraints(true, 1) } })
    await expect(start(await upstreamOf([authority('middle', {}, tight)], { roots: [tight] }))).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('path is longer') as string })
    const elsewhere = authority('elsewhere', { extensions: { nameConstraints: ext.uriConstraints(['other.test']) } })
    await expect(start(await upstreamOf([elsewhere]))).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('would be refused') as string })
    expect(store.rows.size).toBe(0)
    await start(await upstreamOf([authority('here', { extensions: { nameConstraints: ext.uriConstraints([trustDomain]) } })]))
  })

  test('missing and unreadable files', async () => {
    const upstream = await upstreamOf([root])
    await rm(join(folder, 'key.pem'))
    await expect(upstream.current()).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('there is no') as string })
    await writeFile(join(folder, 'key.pem'), '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n')
    await expect(upstream.current()).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', hint: expect.stringContaining('openssl pkcs8') as string })
  })
})

describe('the end of an upstream authority', () => {
  test('is refused while the active one is below it; else what is below is tainted, then revoked, and the root leaves the bundle', async () => {
    const started = await start(await upstreamOf([root]), 10 * hourMs)
    const first = started.all()[0]
    const keyId = first === undefined ? '' : (upstreamKeyIds(first)[0] ?? '')
    expect(keyId).toBe(Buffer.from(parseCertificate(root.der).extensions.subjectKeyId ?? []).toString('hex'))
    await expect(started.taintUpstream(keyId, operator)).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
    await expect(started.taintUpstream('00', operator)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const next = authority('next root')
    await upstreamOf([next])
    const changed = new Promise<void>((resolve) => void started.onChange(() => started.active().id === first?.id || resolve()))
    started.reconsiderUpstream()
    await changed
    await expect(started.revokeUpstream(keyId, operator)).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
    expect(await started.taintUpstream(keyId.toUpperCase(), operator)).toMatchObject({ authorityIds: [first?.id] })
    expect(started.all().map(({ state }) => state)).toEqual(['tainted', 'active'])
    await started.revokeUpstream(keyId, operator)
    expect(started.bundle().x509Authorities).toEqual([next.der])
  })
})

describe('lists of what was revoked', () => {
  test('the upstream authority lists our revoked authorities', async () => {
    const upstream = await upstreamOf([root])
    const started = await start(upstream, 10 * hourMs)
    const first = started.active()
    const lists = new UpstreamLists(started, upstream)
    expect(lists.signer()?.entries).toEqual([])
    await started.revoke(first.id, operator, { replaceActive: true })
    const signer = lists.signer()
    const terms = { issuer: new Uint8Array([0x30, 0]), issuerKeyId: new Uint8Array(20), number: 1n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + hourMs }
    const list = parseCrl(await buildCrl(terms, signer?.entries ?? [], root.key))
    expect(list.serials.map((serial) => Buffer.from(serial))).toEqual([Buffer.from(first.certificate.serial)])
    expect(await lists.given(nowMs)).toEqual([])
  })

  test('also after that was renewed with the same key', async () => {
    const started = await start(await upstreamOf([root]), 10 * hourMs)
    const first = started.active()
    const renewed = authority('upstream root', { key: root.key, notAfterMs: nowMs + 2 * dayMs })
    const upstream = await upstreamOf([renewed])
    const changed = new Promise<void>((resolve) => void started.onChange(() => started.active().id === first.id || resolve()))
    started.reconsiderUpstream()
    await changed
    await started.revoke(first.id, operator)
    expect(new UpstreamLists(started, upstream).signer()?.entries).toHaveLength(1)
  })

  test('those above it must be given, be current, and be their issuer’s', async () => {
    const middle = authority('middle', {}, root)
    const listOf = async (issuer: Issued, nextUpdateMs: number): Promise<Uint8Array> => {
      const { subject, extensions } = parseCertificate(issuer.der)
      return await buildCrl({ issuer: subject, issuerKeyId: extensions.subjectKeyId ?? new Uint8Array(20), number: 7n, thisUpdateMs: nowMs - hourMs, nextUpdateMs }, [], issuer.key)
    }
    const given = async (crls: readonly Uint8Array[]): Promise<unknown> => {
      const upstream = await upstreamOf([middle], { roots: [root], crls })
      return await new UpstreamLists(await start(upstream), upstream).given(nowMs).catch((error: unknown) => error)
    }
    expect(await given([])).toMatchObject({ code: 'UPSTREAM_CRL_MISSING' })
    expect(await given([await listOf(authority('upstream root'), nowMs + dayMs)])).toMatchObject({ code: 'UPSTREAM_CRL_MISSING' })
    expect(await given([await listOf(root, nowMs - 1_000)])).toMatchObject({ code: 'UPSTREAM_CRL_MISSING', message: expect.stringContaining('out of date') as string })
    expect(await given([await listOf(root, nowMs + dayMs)])).toMatchObject([{ number: 7n, entries: 0 }])
  })
})
