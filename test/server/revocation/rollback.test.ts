import { beforeEach, expect, test } from 'vitest'
import { RollbackWatch } from '../../../server/revocation/rollback.ts'
import type { RolledBack, SeenHead } from '../../../server/store/port.ts'
import { sealFrame } from '../../../src/core/revocation/frame.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import { BundleSet, type StreamFrame } from '../../../src/verify/index.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeStreamStore } from '../../support/revocation/fake-stream-store.ts'
import { authority, leaf, nowMs, streamSigner, trustDomain, type Issued } from '../../support/verify/certificates.ts'

const ours = authority('ours')
const signer = streamSigner(ours)
const epoch = 1_700_000_000
const later = Uint8Array.from({ length: 32 }, (_, at) => at)

let store: FakeStreamStore
let log: KeptLog
let noted: SeenHead[]
let found: number
let watch: RollbackWatch

beforeEach(async () => {
  store = new FakeStreamStore()
  for (let index = 0; index < 3; index++) store.commit({ kind: 'revoked', shard: 1, minute: 5, index })
  log = new KeptLog()
  noted = []
  found = 0
  watch = await start(undefined)
})

async function start(before: RolledBack | undefined): Promise<RollbackWatch> {
  const recovery = {
    rolledBack: async () => before,
    noteRolledBack: async (seen: SeenHead) => void noted.push(seen),
    restore: () => Promise.reject(new Error('not asked for')),
    copyTo: () => Promise.reject(new Error('not asked for')),
  }
  const started = await RollbackWatch.start({ store: { stream: store.stream, recovery }, stream: { get head() { return ownHead() } }, anchors: () => BundleSet.of({ trustDomain, x509Authorities: [ours.der] }).authoritiesOf(trustDomain), clock: new FakeClock(nowMs), log })
  started.onFound(() => found++)
  return started
}

function ownHead(): StreamHead {
  return { epoch, seq: 3, chainHash: store.events[2]?.chainHash ?? later }
}

function heartbeat(place: Partial<StreamHead>, by: Issued = signer, chain: readonly Uint8Array[] = [by.der], signedAtMs = nowMs): StreamFrame {
  const frame = { ...ownHead(), ...place, kind: 'heartbeat' as const, signedAtMs, floorMinute: 0, complete: true, root: new Uint8Array(32) }
  return { frame: sealFrame(frame, publicKeyHash(by.key.spki), (bytes) => by.key.sign(bytes)), signerChain: chain }
}

test.each<[string, () => StreamFrame]>([
  ['a higher number', () => heartbeat({ seq: 4, chainHash: later })],
  ['a higher epoch', () => heartbeat({ epoch: epoch + 1, seq: 1, chainHash: later })],
  ['the same number with another hash', () => heartbeat({ chainHash: later })],
  ['a lower number with another hash', () => heartbeat({ seq: 2, chainHash: later })],
  ['a batch that goes beyond', () => {
    const frame = { epoch, seq: 4, chainHash: ownHead().chainHash, kind: 'batch' as const, signedAtMs: nowMs, floorMinute: 0, complete: false, events: [store.events[0]?.event ?? later] }
    return { frame: sealFrame(frame, publicKeyHash(signer.key.spki), (bytes) => signer.key.sign(bytes)), signerChain: [signer.der] }
  }],
  ['a head of long ago, by a key whose certificate has expired since', () => heartbeat({ epoch: epoch + 1 }, streamSigner(ours, { notBeforeMs: nowMs - 5_000_000, notAfterMs: nowMs - 1_000_000 }), undefined, nowMs - 2_000_000)],
  ['a head by an authority that this server does not know, and that an older one vouches for', () => {
    const next = authority('next')
    const voucher = authority('next', { key: next.key }, ours)
    const its = streamSigner(next)
    return heartbeat({ seq: 9, chainHash: later }, its, [its.der, voucher.der])
  }],
])('%s, signed by a key of ours, stops issuance', async (_, shown) => {
  await watch.shown(shown(), 'spiffe://example.org/spire/agent/join_token/one')
  expect(watch.rolledBack).toMatchObject({ by: 'spiffe://example.org/spire/agent/join_token/one' })
  expect(found).toBe(1)
  expect(noted).toHaveLength(1)
  expect(log.facts.map(({ event }) => event)).toEqual(['server.rolled_back'])
})

test.each<[string, () => StreamFrame]>([
  ['the head that the server has', () => heartbeat({})],
  ['an earlier head', () => heartbeat({ seq: 2, chainHash: store.events[1]?.chainHash ?? later })],
  ['a head of an earlier epoch', () => heartbeat({ epoch: epoch - 1, seq: 900, chainHash: later })],
  ['what cannot be read', () => ({ frame: new Uint8Array(7), signerChain: [] })],
])('%s is nothing', async (_, shown) => {
  await watch.shown(shown(), 'agent')
  expect([watch.rolledBack, found, noted.length, log.facts.length]).toEqual([undefined, 0, 0, 0])
})

test.each<[string, () => StreamFrame]>([
  ["another trust domain's", () => heartbeat({ seq: 9 }, streamSigner(authority('theirs')))],
  ['without a certificate', () => heartbeat({ seq: 9 }, signer, [])],
  ["with our certificate and another's key", () => heartbeat({ seq: 9 }, streamSigner(authority('theirs')), [signer.der])],
  ['by the key of a workload', () => heartbeat({ seq: 9 }, leaf(ours, { key: PrivateKey.generate('Ed25519') }))],
  ['by the key of a stream, after its certificate', () => heartbeat({ seq: 9 }, signer, undefined, nowMs + 10 * 86_400_000)],
  ['with a byte of it changed', () => {
    const { frame, signerChain } = heartbeat({ seq: 9 })
    return { frame: frame.with(18, (frame[18] ?? 0) ^ 1), signerChain }
  }],
])('a forged head, %s, stops nothing and is logged', async (_, shown) => {
  await watch.shown(shown(), 'agent')
  expect([watch.rolledBack, found, noted.length]).toEqual([undefined, 0, 0])
  expect(log.facts.map(({ event }) => event)).toEqual(['revocation.head_unproven'])
})

test('what an earlier run was shown is known at the start and said; only a higher head is noted anew', async () => {
  const before = { epoch, seq: 7, chainHash: '00', atMs: 1, by: 'agent' }
  const again = await start(before)
  expect(again.rolledBack).toEqual(before)
  expect(log.facts.map(({ event }) => event)).toEqual(['server.rolled_back'])
  await again.shown(heartbeat({ seq: 6, chainHash: later }), 'agent')
  expect(noted).toHaveLength(0)
  await again.shown(heartbeat({ seq: 8, chainHash: later }), 'agent')
  expect(noted).toMatchObject([{ seq: 8 }])
})
