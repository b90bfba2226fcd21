import { expect, test } from 'vitest'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import type { ChainFacts, CheckOutcome, Freshness, RevocationChecker, RevocationsElsewhere, Verdict, VerifyOptions } from '../../src/verify/index.ts'
import { BundleSet, revocationUnchecked, SignedCrl, verifyX509Svid } from '../../src/verify/index.ts'
import { RevocationReader } from '../../src/verify/reader.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { SignedSimStream } from '../support/revocation/signed-sim-stream.ts'
import { authority, leaf, nowMs, serialFor, trustDomain, type Issued } from '../support/verify/certificates.ts'
import { revocationList } from '../support/verify/lists.ts'
import { minuteOf } from '../../src/core/serial.ts'

const root = authority('root')
/** An authority of the same trust domain that the stream does not list, such as one of an earlier issuer. */
const legacy = authority('legacy')
/** Below an indexed one, with serials of its own. */
const downstream = authority('downstream', {}, root)
const other = parseTrustDomain('other.example')
const foreign = authority('foreign')
const fresh: Freshness = { ageMs: 100, aheadMs: 0, behindMs: 0 }
const notAfterMs = nowMs + 900_000

function reading(issuer: Issued, ...more: Parameters<SignedSimStream['append']>[0][]): RevocationReader {
  const stream = new SignedSimStream(issuer)
  stream.append({ kind: 'authority_indexed', authorityId: issuer.id })
  for (const event of more) stream.append(event)
  const reader = new RevocationReader({ clock: new FakeClock(nowMs), anchors: () => BundleSet.of({ trustDomain, x509Authorities: [issuer.der] }).authoritiesOf(trustDomain) })
  for (const frame of stream.snapshots()) reader.accept(frame)
  return reader
}

const own = reading(root)

function verify(chain: readonly Issued[], elsewhere: readonly RevocationsElsewhere[] = [], more: Partial<VerifyOptions> = {}): Verdict {
  const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der, legacy.der] }, { trustDomain: other, x509Authorities: [foreign.der] })
  return verifyX509Svid(chain.map(({ der }) => der), { bundles, allow: () => true, revocation: own, elsewhere, nowMs, ...more })
}

function checker(outcome: CheckOutcome, freshness: Freshness | undefined = fresh): RevocationChecker & { readonly used: string[] } {
  const used: string[] = []
  return { used, check: (_facts: ChainFacts) => outcome, freshness: () => freshness, noteUse: (serial) => used.push(Buffer.from(serial).toString('hex')) }
}

test('an authority that the stream does not list is refused, of this trust domain, below an indexed one, or of another', () => {
  expect(verify([leaf(legacy)])).toMatchObject({ kind: 'unindexed', authorityId: legacy.id })
  expect(verify([leaf(downstream), downstream])).toMatchObject({ kind: 'unindexed', authorityId: downstream.id })
  expect(verify([leaf(foreign, { uri: 'spiffe://other.example/web' })])).toMatchObject({ kind: 'unindexed', authorityId: foreign.id })
  expect(verify([leaf(root)]).kind).toBe('accepted')
})

test('its own list speaks for it, and for no other', () => {
  const [good, bad] = [leaf(legacy, { serial: Uint8Array.of(5) }), leaf(legacy, { serial: Uint8Array.of(6) })]
  const crl = SignedCrl.of(revocationList(legacy, { serials: [Uint8Array.of(6)] }), legacy.der)
  expect(verify([good], [{ crl }])).toMatchObject({ kind: 'accepted', stale: false, ageMs: 1_000 })
  expect(verify([bad], [{ crl }])).toMatchObject({ kind: 'revoked', serial: '06' })
  expect(verify([leaf(downstream), downstream], [{ crl }]).kind).toBe('unindexed')
  // a serial that the list happens to hold says nothing under an indexed authority
  expect(verify([leaf(root, { serial: Uint8Array.of(6) })], [{ crl }]).kind).toBe('malformed')
  const below = SignedCrl.of(revocationList(downstream, {}), downstream.der)
  expect(verify([leaf(downstream), downstream], [{ crl }, { crl: below }]).kind).toBe('accepted')
})

test('a list is as old as it says: for strict and standard within their limits, for available with a word on it; past its time it says nothing', () => {
  const svid = leaf(legacy)
  const of = (thisUpdateMs: number, nextUpdateMs = nowMs + 3_600_000): readonly RevocationsElsewhere[] => [{ crl: SignedCrl.of(revocationList(legacy, { thisUpdateMs, nextUpdateMs }), legacy.der) }]
  expect(verify([svid], of(nowMs - 2_000), { class: 'strict' }).kind).toBe('accepted')
  expect(verify([svid], of(nowMs - 4_000), { class: 'strict' })).toMatchObject({ kind: 'stale', ageMs: 4_000 })
  expect(verify([svid], of(nowMs - 14_000), { class: 'standard' }).kind).toBe('accepted')
  expect(verify([svid], of(nowMs - 60_000), { class: 'standard' }).kind).toBe('stale')
  expect(verify([svid], of(nowMs - 60_000))).toMatchObject({ kind: 'accepted', stale: true, ageMs: 60_000 })
  expect(verify([svid], of(nowMs - 60_000, nowMs - 1_000)).kind).toBe('stale')
  expect(verify([svid], of(nowMs + 5_000)).kind).toBe('stale')
})

test('what is revoked above ends what is below, whatever its own list or stream says', () => {
  const chain = [leaf(downstream), downstream]
  const crl = SignedCrl.of(revocationList(downstream), downstream.der)
  expect(verify(chain, [{ crl }], { revocation: reading(root, { kind: 'authority_revoked', authorityId: downstream.id }) })).toMatchObject({ kind: 'authority_revoked', authorityId: downstream.id })
  const above = checker({ kind: 'authority_revoked', authorityId: root.id })
  expect(verify(chain, [{ crl }], { revocation: above })).toMatchObject({ kind: 'authority_revoked', authorityId: root.id })
  expect(verify(chain, [{ authorityId: downstream.id, revocation: checker({ kind: 'good' }) }], { revocation: above }).kind).toBe('authority_revoked')
})

test('the own stream must be fresh too: it alone knows of the authorities above', () => {
  const crl = SignedCrl.of(revocationList(legacy), legacy.der)
  const old = checker({ kind: 'unindexed', authorityId: legacy.id }, { ageMs: 20_000, aheadMs: 0, behindMs: 0 })
  expect(verify([leaf(legacy)], [{ crl }], { revocation: old, class: 'standard' })).toMatchObject({ kind: 'stale', ageMs: 20_000 })
  expect(verify([leaf(legacy)], [{ crl }], { revocation: old })).toMatchObject({ kind: 'accepted', stale: true, ageMs: 20_000 })
  expect(verify([leaf(legacy)], [{ crl }], { revocation: checker({ kind: 'unindexed', authorityId: legacy.id }, { ageMs: 0, aheadMs: 5_000, behindMs: 0 }), class: 'strict' }).kind).toBe('clock_skew')
})

test('an authority with a stream of its own is asked there', () => {
  const downReader = reading(downstream, { kind: 'revoked', shard: 1, minute: minuteOf(notAfterMs), index: 3 }, { kind: 'superseded', shard: 1, minute: minuteOf(notAfterMs), index: 4 })
  const elsewhere = [{ authorityId: downstream.id, revocation: downReader }]
  const kinds = [2, 3, 4].map((index) => verify([leaf(downstream, { serial: serialFor(notAfterMs, index) }), downstream], elsewhere, { class: 'strict' }).kind)
  expect(kinds).toEqual(['accepted', 'revoked', 'superseded'])
  expect(verify([leaf(downstream), downstream], [{ authorityId: downstream.id, revocation: checker({ kind: 'good' }, { ageMs: 4_000, aheadMs: 0, behindMs: 0 }) }], { class: 'strict' }).kind).toBe('stale')
  expect(verify([leaf(downstream), downstream], [{ authorityId: downstream.id, revocation: checker({ kind: 'unindexed', authorityId: downstream.id }) }]).kind).toBe('unindexed')
})

test('another trust domain is asked of its own stream alone, and that one notes the use', () => {
  const theirs = checker({ kind: 'good' })
  const ours = checker({ kind: 'revoked' })
  const peer = leaf(foreign, { uri: 'spiffe://other.example/web' })
  expect(verify([peer], [{ trustDomain: other, revocation: theirs }], { revocation: ours })).toMatchObject({ kind: 'accepted', ageMs: 100 })
  expect([theirs.used.length, ours.used.length]).toEqual([1, 0])
  expect(verify([leaf(root)], [{ trustDomain: other, revocation: theirs }], { revocation: ours }).kind).toBe('revoked')
  for (const outcome of [{ kind: 'revoked' }, { kind: 'unindexed', authorityId: foreign.id }] as const) {
    expect(verify([peer], [{ trustDomain: other, revocation: checker(outcome) }]).kind).toBe(outcome.kind)
  }
  expect(verify([peer], [{ trustDomain: other, revocation: { check: () => ({ kind: 'good' }), freshness: () => undefined } }]).kind).toBe('stale')
})

test('FED-06 whose trust domain nobody speaks for is refused, unless the code says by name that it is not to be asked; then the verdict says so, and the bundle still decides', () => {
  const peer = leaf(foreign, { uri: 'spiffe://other.example/web' })
  const waived = [{ trustDomain: other, revocation: revocationUnchecked }] as const
  const ours = checker({ kind: 'unindexed', authorityId: foreign.id })
  expect(verify([peer], [], { class: 'available' }).kind).toBe('unindexed')
  for (const wanted of ['strict', 'standard', 'available'] as const) expect(verify([peer], waived, { revocation: ours, class: wanted })).toMatchObject({ kind: 'accepted', class: undefined, ageMs: undefined, stale: false })
  expect(ours.used).toEqual([])
  expect(verify([leaf(authority('stranger'), { uri: 'spiffe://other.example/web' })], waived).kind).toBe('untrusted')
  // signed by an authority of the own trust domain, in the other's name
  expect(verify([leaf(root, { uri: 'spiffe://other.example/web' })], waived).kind).toBe('untrusted')
  expect(verify([leaf(legacy)], waived).kind).toBe('unindexed')
  expect(verify([peer], [{ trustDomain: parseTrustDomain('third.example'), revocation: revocationUnchecked }]).kind).toBe('unindexed')
  expect(verify([peer], waived, { allow: () => false }).kind).toBe('not_authorized')
})
