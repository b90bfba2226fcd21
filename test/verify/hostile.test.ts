import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BundleSet, revocationUnchecked, verifyX509Svid, type Verdict } from '../../src/verify/index.ts'
import { verifySignerChain } from '../../src/verify/signer-chain.ts'
import { authority, ext, leaf, nowMs, streamSigner, trustDomain } from '../support/verify/certificates.ts'

const root = authority('root')
const middle = authority('middle', { extensions: { nameConstraints: ext.uriConstraints(['example.org'], ['.example.org']) } }, root)
const chain = [leaf(middle).der, middle.der]
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })

function verify(candidate: readonly Uint8Array[]): Verdict {
  return verifyX509Svid(candidate, { bundles, allow: () => true, revocation: revocationUnchecked, nowMs })
}

const mutation = fc.record({ which: fc.nat({ max: 1 }), edits: fc.array(fc.record({ at: fc.nat(), value: fc.nat({ max: 255 }) }), { minLength: 1, maxLength: 4 }), cut: fc.option(fc.nat(), { freq: 4 }) })

test('a chain with any bytes changed or cut is never accepted, and never throws', () => {
  expect(verify(chain).kind).toBe('accepted')
  fc.assert(
    fc.property(mutation, ({ which, edits, cut }) => {
      const before = chain[which] ?? new Uint8Array(1)
      const after = before.slice()
      for (const { at, value } of edits) after[at % after.length] = value
      const candidate = chain.map((der, at) => (at === which ? after.subarray(0, cut === null ? undefined : cut % after.length) : der))
      const isSame = candidate.every((der, at) => Buffer.from(der).equals(Buffer.from(chain[at] ?? before)))
      expect(verify(candidate).kind === 'accepted').toBe(isSame)
    }),
    { numRuns: 2_000 },
  )
})

test('whatever bytes come as a chain or as a signer, the answer is a refusal', () => {
  const anchors = bundles.authoritiesOf(trustDomain)
  const signer = streamSigner(root).der
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constant(signer), fc.constant(root.der)), { maxLength: 4 }), (candidate) => {
      expect(verify(candidate).kind).not.toBe('accepted')
      expect(verifySignerChain(candidate, anchors, nowMs).kind === 'key').toBe(candidate[0] === signer && candidate.every((der) => der === signer || der === root.der))
    }),
  )
})
