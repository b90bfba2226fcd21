import { expect, test } from 'vitest'
import { sealFrame } from '../../src/core/revocation/frame.ts'
import { isOutdated, isWithin, skewOf } from '../../src/core/revocation/freshness.ts'
import { BundleSet, RevocationReader, type StreamFrame } from '../../src/verify/index.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { SignedSimStream } from '../support/revocation/signed-sim-stream.ts'
import { authority, nowMs, streamSigner, trustDomain } from '../support/verify/certificates.ts'

const root = authority('root')
const nonce = new Uint8Array(16).fill(1)

/** The same stream under a key whose certificate begins now. */
class LaterKey extends SignedSimStream {
  readonly next = streamSigner(root, { notBeforeMs: nowMs, notAfterMs: nowMs + 3_600_000 })

  override seal(frame: Parameters<SignedSimStream['seal']>[0]): Uint8Array {
    return sealFrame(frame, publicKeyHash(this.next.key.spki), (bytes) => this.next.key.sign(bytes))
  }
}

function readingAt(clock: FakeClock): { readonly reader: RevocationReader; readonly later: LaterKey } {
  const [stream, later] = [new SignedSimStream(root), new LaterKey(root)]
  for (const one of [stream, later]) one.append({ kind: 'authority_indexed', authorityId: root.id })
  const reader = new RevocationReader({ clock, anchors: () => BundleSet.of({ trustDomain, x509Authorities: [root.der] }).authoritiesOf(trustDomain) })
  for (const frame of stream.snapshots()) reader.accept(frame)
  reader.asksTime(nonce)
  reader.accept({ frame: stream.time([nonce], nowMs), signerChain: [] })
  later.append({ kind: 'revoked', shard: 1, minute: 29_500_000, index: 1 })
  return { reader, later }
}

const batch = (later: LaterKey): StreamFrame => ({ frame: later.batch(2, 2, nowMs), signerChain: [later.next.der] })

test('a reader whose clock is ten minutes behind hears what a new key signs, as long as it knows the signer’s time, and calls it clock skew', () => {
  const clock = new FakeClock(nowMs)
  const { reader, later } = readingAt(clock)
  clock.jump(-600_000)
  expect(reader.accept(batch(later)).kind).toBe('applied')
  const freshness = reader.freshness()
  expect(freshness === undefined ? undefined : skewOf(freshness)).toBe(600_000)
})

test('one that does not know it goes by its own clock', async () => {
  const clock = new FakeClock(nowMs)
  const { reader, later } = readingAt(clock)
  clock.jump(-600_000)
  await clock.advance(300_001)
  expect(reader.accept(batch(later))).toMatchObject({ kind: 'signer_refused', why: 'it is not valid at this time' })
})

test.each([
  ['old', { ageMs: 3_001, aheadMs: 0, behindMs: 0 }, true],
  ['unmeasured', { ageMs: 0, aheadMs: 0, behindMs: 0, unmeasured: true as const }, true],
  ['by a clock that differs', { ageMs: 0, aheadMs: 5_000, behindMs: 0 }, false],
])('what is known is too little for a new connection under strict, %s, and for an open one unless revocations come all the same', (_, freshness, endsOpen) => {
  expect(isWithin(freshness, 'strict')).toBe(false)
  expect(isOutdated(freshness, 'strict')).toBe(endsOpen)
})
