import { afterEach, beforeEach, expect, test } from 'vitest'
import { AuthoritySet } from '../../../server/ca/authorities.ts'
import { MemoryKeyStore } from '../../../server/ca/key-store.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { StreamKeyCertifier } from '../../../server/ca/stream-signer.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { authorityIdOf } from '../../../src/x509/fingerprint.ts'
import { verifySignature } from '../../../src/x509/signature.ts'
import { SlowPath } from '../../../src/x509/peculiar/slow-path.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { MemoryAuthorities } from '../../support/ca/memory-authorities.ts'
import { SeededRandom } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

const profiles = loadProfiles()
const by = { name: 'operator', atMs: 0 }
let clock: FakeClock
let slowPath: SlowPath
let authorities: AuthoritySet
let signer: StreamSigner
let distrust: boolean[]

beforeEach(async () => {
  clock = new FakeClock()
  const log = new KeptLog()
  const random = new SeededRandom()
  slowPath = new SlowPath(clock)
  authorities = await AuthoritySet.start(
    { trustDomain: parseTrustDomain('example.org'), lifeMs: 604_800_000, keyType: 'ec-p256', refreshHintSeconds: 300 },
    { profiles, store: new MemoryAuthorities(), keys: new MemoryKeyStore(), clock, random, slowPath, log, acknowledged: () => true },
  )
  const certifier = new StreamKeyCertifier(authorities, { profiles, random, clock })
  signer = StreamSigner.start({ clock, logger: log, certify: async (spki) => certifier.certify(spki) })
  distrust = []
  certifier.onDistrust((trusted) => {
    distrust.push(trusted)
    signer.replace(trusted)
  })
  await settle()
})

afterEach(async () => {
  await signer[Symbol.asyncDispose]()
  await authorities[Symbol.asyncDispose]()
  await slowPath[Symbol.asyncDispose]()
})

function issuerOf(): string | undefined {
  const leaf = parseCertificate(signer.current?.chain[0] ?? new Uint8Array(0))
  const issuer = authorities.all().map(({ certificate }) => parseCertificate(certificate)).find(({ spki }) => verifySignature(spki, leaf))
  return issuer === undefined ? undefined : authorityIdOf(issuer.spki)
}

test('when its authority is tainted, the key of the stream is replaced by one under the next, without a moment of silence', async () => {
  const before = signer.current
  const first = authorities.active().id
  const tainted = authorities.taint(first, by, { replaceActive: true })
  while (distrust.length === 0) {
    expect(signer.current).toBeDefined()
    await settle()
  }
  expect(signer.current).toBeDefined()
  await tainted
  await clock.advance(300)
  expect(distrust).not.toContain(false)
  expect(signer.current).not.toBe(before)
  expect(issuerOf()).toBe(authorities.active().id)
  expect(issuerOf()).not.toBe(first)
})

test('when its authority is revoked, the key of the stream is dropped at once and the next is under another', async () => {
  const first = authorities.active().id
  const revoked = authorities.revoke(first, by, { replaceActive: true })
  while (distrust.length === 0) await settle()
  expect(distrust[0]).toBe(false)
  await revoked
  await clock.advance(300)
  expect(signer.current).toBeDefined()
  expect(issuerOf()).toBe(authorities.active().id)
})

test('when another authority is tainted, the key stays', async () => {
  const other = await authorities.prepare(by)
  const before = signer.current
  await authorities.taint(other.id, by)
  await authorities.revoke(other.id, by)
  await settle()
  expect(distrust).toEqual([])
  expect(signer.current).toBe(before)
})
