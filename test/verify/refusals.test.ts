import { expect, test } from 'vitest'
import type { CheckOutcome } from '../../src/core/revocation/check.ts'
import { BundleSet, memberOf, verifyX509Svid, type RevocationChecker } from '../../src/verify/index.ts'
import { authority, leaf, nowMs, trustDomain } from '../support/verify/certificates.ts'

const root = authority('root')
const peer = leaf(root)
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })

test.each<readonly [CheckOutcome, number, readonly string[]]>([
  [{ kind: 'good' }, 0, ['use']],
  [{ kind: 'good' }, 60_000, []],
  [{ kind: 'superseded' }, 0, ['refusal']],
  [{ kind: 'revoked' }, 0, ['refusal']],
  [{ kind: 'revoked' }, 60_000, ['refusal']],
  [{ kind: 'expired' }, 0, []],
  [{ kind: 'unindexed', authorityId: root.id }, 0, []],
  [{ kind: 'authority_revoked', authorityId: root.id }, 0, []],
  [{ kind: 'malformed' }, 0, []],
])('of a credential that is %o, known %i ms ago, the verifier notes %o', (outcome, ageMs, wanted) => {
  const noted: string[] = []
  const note = (what: string) => (serial: Uint8Array): void => void noted.push(what, ...(serial.length === 17 ? [] : ['of another serial']))
  const revocation: RevocationChecker = { check: () => outcome, freshness: () => ({ ageMs, aheadMs: 0, behindMs: 0 }), noteUse: note('use'), noteRefusal: note('refusal') }
  verifyX509Svid([peer.der], { bundles, allow: memberOf(trustDomain), revocation, nowMs, class: 'standard' })
  expect(noted).toEqual(wanted)
})
