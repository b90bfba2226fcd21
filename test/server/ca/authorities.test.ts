import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AuthoritySet } from '../../../server/ca/authorities.ts'
import { MemoryKeyStore, type KeyStore } from '../../../server/ca/key-store.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { SlowPath } from '../../../src/x509/peculiar/slow-path.ts'
import { verifySignature } from '../../../src/x509/signature.ts'
import { MemoryAuthorities } from '../../support/ca/memory-authorities.ts'
import { SeededRandom, KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

const dayMs = 86_400_000
const operator = { name: 'uid:0', atMs: 0 }
let clock: FakeClock
let store: MemoryAuthorities
let keys: KeyStore
let slowPath: SlowPath
let random: SeededRandom
let acknowledged: Set<string>
let set: AuthoritySet

beforeEach(async () => {
  clock = new FakeClock()
  store = new MemoryAuthorities()
  keys = new MemoryKeyStore()
  slowPath = new SlowPath(clock)
  random = new SeededRandom()
  acknowledged = new Set()
  set = await start()
})
afterEach(async () => {
  await set[Symbol.asyncDispose]()
  await slowPath[Symbol.asyncDispose]()
})

describe('the authorities of a trust domain', () => {
  test('the first start makes one that signs at once', async () => {
    expect(verbs()).toEqual(['prepare', 'activate'])
    expect(set.bundle().x509Authorities).toHaveLength(1)
    expect(set.active().certificate.notAfterMs).toBe(clock.nowMs() + 7 * dayMs)
  })

  test('X509-04 X509-05 X509-06 X509-07 an authority is a self-signed SVID of the trust domain: no path, cA, keyCertSign and cRLSign, critical', () => {
    const { certificate } = set.active()
    const { basicConstraints, keyUsage, subjectAltName, subjectKeyId } = certificate.extensions
    expect(subjectAltName?.uris).toEqual(['spiffe://example.test'])
    expect(basicConstraints).toEqual({ ca: true, pathLength: undefined, critical: true })
    expect(keyUsage).toEqual({ bits: keyUsageBit.keyCertSign | keyUsageBit.cRLSign, critical: true })
    expect(subjectKeyId).toHaveLength(20)
    expect(certificate.issuer).toEqual(certificate.subject)
    expect(verifySignature(certificate.spki, certificate)).toBe(true)
  })

  test('a restart goes on with the same authority and builds nothing', async () => {
    const { id } = set.active()
    await set[Symbol.asyncDispose]()
    set = await start({ slowPath: { certify: () => Promise.reject(new Error('not wanted')) } })
    expect(set.active().id).toBe(id)
  })

  test('the next is prepared at half life, activated after the safe delay, and the first leaves the bundle when it is over', async () => {
    const first = set.active().id
    await until(3.5 * dayMs, 'prepare')
    expect(set.active().id).toBe(first)
    expect(set.bundle().x509Authorities).toHaveLength(2)
    await until(300_000, 'activate')
    const second = set.active().id
    expect(second).not.toBe(first)
    expect(store.rows.get(first)?.state).toBe('old')
    await until(3.5 * dayMs, 'remove')
    expect(store.rows.has(first)).toBe(false)
    expect(set.active().id).not.toBe(first)
  })

  test('it is activated at once when all agents have acknowledged the bundle', async () => {
    const first = set.active().id
    await until(3.5 * dayMs, 'prepare')
    acknowledged.add([...store.rows.keys()].at(-1) ?? '')
    const changed = change()
    set.reconsider()
    await changed
    expect(set.active().id).not.toBe(first)
  })

  test('the bundle’s sequence rises with every change', async () => {
    const before = set.bundle().sequence ?? 0n
    await until(3.5 * dayMs, 'prepare')
    expect(set.bundle().sequence).toBeGreaterThan(before)
  })

  test('a tainted authority stays in the bundle and another signs at once', async () => {
    const first = set.active().id
    await set.taint(first, operator, { replaceActive: true })
    expect(set.active().id).not.toBe(first)
    expect(set.bundle().x509Authorities).toHaveLength(2)
  })

  test('an authority is vouched for by the one before it, also after a restart, until that one is revoked', async () => {
    expect(set.vouchers()).toEqual([])
    const first = set.active()
    const next = await set.prepare(operator)
    expect(set.vouchers()).toEqual([])
    await set.activate(next.id, operator)
    const [der = new Uint8Array(0), ...more] = set.vouchers()
    expect(more).toEqual([])
    expect(set.vouchers()).toBe(set.vouchers())
    const voucher = parseCertificate(der)
    expect(voucher).toMatchObject({ issuer: first.certificate.subject, subject: set.active().certificate.subject, spki: set.active().certificate.spki })
    expect(verifySignature(first.certificate.spki, voucher)).toBe(true)
    expect(voucher.extensions.basicConstraints?.ca).toBe(true)
    expect(voucher.notAfterMs).toBe(first.certificate.notAfterMs)

    await set[Symbol.asyncDispose]()
    set = await start()
    const told = new Promise<void>((resolve) => void set.onChange(() => resolve()))
    if (set.vouchers().length === 0) await told
    expect(parseCertificate(set.vouchers()[0] ?? new Uint8Array(0)).issuer).toEqual(first.certificate.subject)
    await set.revoke(first.id, operator)
    expect(set.vouchers()).toEqual([])
  })

  test('when nobody can vouch the next one signs all the same', async () => {
    const { id } = await set.prepare(operator)
    await set[Symbol.asyncDispose]()
    set = await start({ slowPath: { certify: () => Promise.reject(new Error('told to fail')) } })
    await set.activate(id, operator)
    expect(set.active().id).toBe(id)
    expect(set.vouchers()).toEqual([])
  })

  test('a revoked authority leaves the bundle, its key is destroyed, another signs at once', async () => {
    const { id } = set.active()
    const keyName = store.rows.get(id)?.keyName ?? ''
    await set.revoke(id, operator, { replaceActive: true })
    expect(set.active().id).not.toBe(id)
    expect(set.bundle().x509Authorities).toHaveLength(1)
    expect(await keys.load(keyName)).toBeUndefined()
  })

  test('without its key an authority is replaced, and stays in the bundle for what it signed', async () => {
    const first = set.active().id
    await set[Symbol.asyncDispose]()
    keys = new MemoryKeyStore()
    set = await start()
    expect(set.active().id).not.toBe(first)
    expect(set.bundle().x509Authorities).toHaveLength(2)
  })

  test('a server that was away for longer than an authority lives has a new one when it is back', async () => {
    const first = set.active().id
    await set[Symbol.asyncDispose]()
    clock.jump(30 * dayMs)
    set = await start()
    expect(set.active().certificate.notAfterMs).toBe(clock.nowMs() + 7 * dayMs)
    expect(store.rows.has(first)).toBe(false)
  })

  test('a store that fails does not end the rotation: it is tried again', async () => {
    store.failing = true
    await clock.advance(3.5 * dayMs)
    await expect.poll(() => log.facts.some(({ event }) => event === 'authority.rotation_failed')).toBe(true)
    store.failing = false
    await until(60_000, 'prepare')
  })

  test('an authority of seconds rotates in seconds', async () => {
    await set[Symbol.asyncDispose]()
    store = new MemoryAuthorities()
    set = await start({}, 12_000)
    await until(10_000, 'prepare')
    await until(1_000, 'activate')
    expect(set.active().certificate.notAfterMs).toBeGreaterThan(clock.nowMs())
  })

  test('an active authority is activated no second time', async () => {
    await expect(set.activate(set.active().id, operator)).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
  })
})

let log: KeptLog

async function start(overrides: Partial<{ slowPath: Pick<SlowPath, 'certify'> }> = {}, lifeMs = 7 * dayMs): Promise<AuthoritySet> {
  log = new KeptLog()
  return AuthoritySet.start(
    { trustDomain: parseTrustDomain('example.test'), lifeMs, keyType: 'ec-p256', refreshHintSeconds: 300 },
    { profiles: loadProfiles(), store, keys, clock, random, slowPath: overrides.slowPath ?? slowPath, log, acknowledged: (id) => acknowledged.has(id) },
  )
}

function verbs(): readonly string[] {
  return store.history.map((entry) => entry.slice(0, entry.indexOf(':')))
}

/** Resolves at the next change of an authority. */
async function change(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  using _listening = set.onChange(resolve)
  await promise
}

/** Lets time pass, and waits until the store has been told `verb` once more. */
async function until(ms: number, verb: string): Promise<void> {
  const count = (): number => verbs().filter((done) => done === verb).length
  const before = count()
  await clock.advance(ms)
  while (count() === before) await change()
  await settle()
}
