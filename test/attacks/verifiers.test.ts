import { describe, expect, test } from 'vitest'
import { RevocationReader } from '../../src/verify/reader.ts'
import { BundleSet, verifyX509Svid, type StalenessClass, type Verdict } from '../../src/verify/index.ts'
import { encodeEvent, chainHash, emptyChainHash, type RevocationEvent } from '../../src/core/revocation/codec.ts'
import { sealFrame, type Frame } from '../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../src/core/revocation/set.ts'
import { minuteOf } from '../../src/core/serial.ts'
import { publicKeyHash, sha256 } from '../../src/x509/fingerprint.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { authority, leaf, nowMs, streamSigner, trustDomain, type Issued } from '../support/verify/certificates.ts'

const root = authority('root')
const stranger = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const peer = leaf(root, { index: 7 })
const other = leaf(root, { index: 8 })
const events: readonly RevocationEvent[] = [
  { kind: 'authority_indexed', authorityId: root.id },
  { kind: 'revoked', shard: 1, minute: minuteOf(nowMs + 900_000), index: 7 },
]
const signer = streamSigner(root)

/** Frames of the stream after `seq` of the events, signed by whoever. */
function frameAt(kind: 'snapshot' | 'heartbeat' | 'batch', seq: number, signedAtMs: number, by: Issued = signer, epoch = 1): Uint8Array {
  const bytes = events.map(encodeEvent)
  const hashes = bytes.reduce<Uint8Array[]>((so, event) => [...so, chainHash(so.at(-1) ?? emptyChainHash, event, sha256)], [emptyChainHash])
  const set = new RevocationSet()
  for (const event of events.slice(0, seq)) set.apply(event)
  const head = { epoch, signedAtMs, floorMinute: 0, complete: true }
  const chainHashAt = (at: number): Uint8Array => hashes[at] ?? emptyChainHash
  const frame: Frame =
    kind === 'batch'
      ? { ...head, kind, seq, chainHash: chainHashAt(seq - 1), events: bytes.slice(seq - 1, seq) }
      : kind === 'heartbeat'
        ? { ...head, kind, seq, chainHash: chainHashAt(seq), root: set.root(sha256) }
        : { ...head, kind, seq, chainHash: chainHashAt(seq), part: 0, parts: 1, content: set.snapshot() }
  return sealFrame(frame, publicKeyHash(by.key.spki), (signed) => by.key.sign(signed))
}

class Verifier {
  readonly clock = new FakeClock(nowMs)
  readonly reader: RevocationReader

  constructor(highest?: RevocationReader['highest']) {
    this.reader = new RevocationReader({ clock: this.clock, anchors: () => bundles.authoritiesOf(trustDomain) }, highest)
  }

  take(frame: Uint8Array, by: Issued = signer): string {
    return this.reader.accept({ frame, signerChain: [by.der] }).kind
  }

  verdict(of: Issued, wanted: StalenessClass = 'strict'): Verdict['kind'] {
    return verifyX509Svid([of.der], { bundles, allow: () => true, revocation: this.reader, nowMs: this.clock.nowMs(), class: wanted }).kind
  }
}

/** One that knows of the revocation. */
function informed(): Verifier {
  const verifier = new Verifier()
  expect(verifier.take(frameAt('snapshot', 1, nowMs))).toBe('replaced')
  expect(verifier.verdict(peer)).toBe('accepted')
  expect(verifier.take(frameAt('batch', 2, nowMs))).toBe('applied')
  expect(verifier.verdict(peer)).toBe('revoked')
  return verifier
}

describe('an old state played to a verifier again', () => {
  test('snapshot, batch and heartbeat from before the revocation leave it revoked', () => {
    const verifier = informed()
    for (const kind of ['snapshot', 'batch', 'heartbeat'] as const) {
      expect(['duplicate', 'rollback', 'gap']).toContain(verifier.take(frameAt(kind, 1, nowMs - 500)))
      expect(verifier.verdict(peer)).toBe('revoked')
    }
  })

  test('a state before the revocation that its signer signed again later is a rollback', () => {
    const verifier = informed()
    expect(verifier.take(frameAt('snapshot', 1, nowMs + 500))).toBe('rollback')
    expect(verifier.take(frameAt('heartbeat', 1, nowMs + 600))).toBe('rollback')
    expect(verifier.verdict(peer)).toBe('revoked')
  })

  test('after a restart, whoever kept the head is not made fresh by what lies behind it', () => {
    const reborn = new Verifier(informed().reader.highest)
    reborn.take(frameAt('snapshot', 1, nowMs))
    reborn.take(frameAt('heartbeat', 1, nowMs + 500))
    expect(reborn.verdict(peer, 'strict')).toBe('stale')
    expect(reborn.verdict(peer, 'standard')).toBe('stale')
    expect(reborn.take(frameAt('batch', 2, nowMs + 600))).toBe('applied')
    expect(reborn.verdict(peer)).toBe('revoked')
  })

  test('of an earlier epoch it is refused', () => {
    const verifier = new Verifier()
    expect(verifier.take(frameAt('snapshot', 2, nowMs, signer, 5))).toBe('replaced')
    expect(verifier.take(frameAt('snapshot', 1, nowMs + 100, signer, 4))).toBe('stale_epoch')
    expect(verifier.verdict(peer)).toBe('revoked')
  })

  test('to a verifier that never saw another, it is old: strict and standard refuse', () => {
    const fresh = new Verifier()
    const early = streamSigner(root, { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 3_600_000 })
    expect(fresh.take(frameAt('snapshot', 1, nowMs - 60_000, early), early)).toBe('replaced')
    expect(fresh.verdict(peer, 'strict')).toBe('stale')
    expect(fresh.verdict(peer, 'standard')).toBe('stale')
  })

  test('heartbeats that are held back and played later, or over and over, keep nobody fresh', async () => {
    const verifier = informed()
    const held = [1, 2, 3].map((second) => frameAt('heartbeat', 2, nowMs + second * 1_000))
    await verifier.clock.advance(10_000)
    for (const frame of [...held, ...held]) verifier.take(frame)
    expect(verifier.verdict(other, 'strict')).toBe('stale')
    await verifier.clock.advance(10_000)
    for (const frame of held) verifier.take(frame)
    expect(verifier.verdict(other, 'standard')).toBe('stale')
  })
})

describe('frames of others', () => {
  test.each([
    ['a key under another authority of the same name', streamSigner(stranger), 'signer_refused'],
    ['the key of a workload of the trust domain', leaf(root), 'signer_refused'],
    ['a stream key whose certificate has expired', streamSigner(root, { notBeforeMs: nowMs - 7_200_000, notAfterMs: nowMs - 3_600_000 }), 'signer_refused'],
    ['an authority itself', root, 'signer_refused'],
  ])('of %s are refused', (_name, by, kind) => {
    const verifier = informed()
    expect(verifier.take(frameAt('snapshot', 1, nowMs + 1_000, by, 9), by)).toBe(kind)
    expect(verifier.verdict(peer)).toBe('revoked')
  })

  test('with the key of a stream that is not the one that signed, and with one bit changed, are forged', () => {
    const verifier = informed()
    const frame = frameAt('heartbeat', 2, nowMs + 1_000, streamSigner(root))
    expect(verifier.take(frame)).toBe('forged')
    const broken = frameAt('heartbeat', 2, nowMs + 1_000)
    broken[10] = (broken[10] ?? 0) ^ 1
    expect(verifier.take(broken)).toBe('forged')
  })
})

describe('the clock of a verifier', () => {
  test('set back does not make a strict or standard verifier fresh: time since receipt counts', async () => {
    const verifier = informed()
    await verifier.clock.advance(20_000)
    verifier.clock.jump(-20_000)
    expect(verifier.verdict(other, 'strict')).toBe('stale')
    expect(verifier.verdict(other, 'standard')).toBe('stale')
  })

  test('set back does not bring back an SVID whose minute the stream has left', async () => {
    const verifier = new Verifier()
    const { clock, reader } = verifier
    expect(verifier.take(frameAt('snapshot', 2, nowMs))).toBe('replaced')
    const later = nowMs + 30 * 60_000
    await clock.advance(30 * 60_000)
    const set = new RevocationSet()
    for (const event of events) set.apply(event)
    const floorMinute = minuteOf(later) - 5
    set.dropBelow(floorMinute)
    const hash = events.map(encodeEvent).reduce<Uint8Array>((so, event) => chainHash(so, event, sha256), emptyChainHash)
    const beat = sealFrame({ kind: 'heartbeat', epoch: 1, seq: 2, signedAtMs: later, floorMinute, complete: true, chainHash: hash, root: set.root(sha256) }, publicKeyHash(signer.key.spki), (signed) => signer.key.sign(signed))
    expect(reader.accept({ frame: beat, signerChain: [] }).kind).toBe('confirmed')
    clock.jump(-25 * 60_000) // by the clock alone the SVID would be valid again
    expect(verifier.verdict(other, 'available')).toBe('expired')
    expect(verifier.verdict(peer, 'available')).toBe('expired')
  })
})

test.each([
  ['expired a second ago', { notAfterMs: nowMs - 1_000 }, 'expired'],
  ['valid from a second on', { notBeforeMs: nowMs + 1_000 }, 'not_yet_valid'],
])('an SVID that %s is refused', (_name, overrides, kind) => {
  const verifier = informed()
  expect(verifier.verdict(leaf(root, { index: 9, ...overrides }))).toBe(kind)
})
