import { describe, expect, test } from 'vitest'
import { derName } from '../../src/x509/name.ts'
import { oid } from '../../src/x509/oids.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { encodeBundle, parseBundle } from '../../src/x509/bundle.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { BundleSet, exactly, memberOf, oneOf, revocationUnchecked, taskOf, verifyX509Svid, type Verdict, type VerifyOptions } from '../../src/verify/index.ts'
import { derGrantClaims } from '../../src/x509/grant-claims.ts'
import { authority, ext, extension, leaf, nowMs, trustDomain, type Issued } from '../support/verify/certificates.ts'

const root = authority('root')
const other = parseTrustDomain('other.example')

function verify(chain: readonly Issued[], options: Partial<VerifyOptions> = {}): Verdict {
  return verifyX509Svid(chain.map(({ der }) => der), { bundles: BundleSet.of({ trustDomain, x509Authorities: [root.der] }), allow: () => true, revocation: revocationUnchecked, nowMs, ...options })
}

function bundleOf(...authorities: readonly Issued[]): BundleSet {
  return BundleSet.of({ trustDomain, x509Authorities: authorities.map(({ der }) => der) })
}

describe('X.509-SVIDs', () => {
  test('X509-13 a valid leaf under an authority of its bundle is accepted', () => {
    expect(verify([leaf(root)])).toMatchObject({ kind: 'accepted', id: 'spiffe://example.org/web', stale: false })
  })

  test.each([['P-384'], ['Ed25519']] as const)('a leaf key of kind %s is accepted', (kind) => {
    expect(verify([leaf(root, { key: PrivateKey.generate(kind) })]).kind).toBe('accepted')
  })

  test('X509-01 DNS names beside the one URI are allowed', () => {
    expect(verify([leaf(root, { extensions: { names: ext.names({ uris: ['spiffe://example.org/web'], dns: ['web.internal'] }) } })]).kind).toBe('accepted')
  })

  test.each([
    ['X509-18 two URIs, both SPIFFE IDs', { names: ext.names({ uris: ['spiffe://example.org/web', 'spiffe://example.org/db'] }) }],
    ['X509-18 X509-01 two URIs, one a SPIFFE ID', { names: ext.names({ uris: ['spiffe://example.org/web', 'https://example.org/'] }) }],
    ['X509-19 no URI', { names: ext.names({ dns: ['web.internal'] }) }],
    ['X509-19 no alternative name', { names: undefined }],
    ['X509-16 a URI of another scheme', { names: ext.names({ uris: ['https://example.org/web'] }) }],
    ['X509-16 a SPIFFE ID that is malformed', { names: ext.names({ uris: ['spiffe://example.org/web//db'] }) }],
    ['X509-17 X509-02 a SPIFFE ID without path', { names: ext.names({ uris: ['spiffe://example.org'] }) }],
    ['X509-17 a SPIFFE ID whose path is a slash', { names: ext.names({ uris: ['spiffe://example.org/'] }) }],
    ['X509-03 an empty subject and an uncritical alternative name', { names: ext.names({ uris: ['spiffe://example.org/web'], critical: false }) }],
    ['X509-14 X509-05 X509-12 cA set', { basicConstraints: ext.basicConstraints(true) }],
    ['X509-06 no key usage', { keyUsage: undefined }],
    ['X509-06 an uncritical key usage', { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature, false) }],
    ['X509-08 no digitalSignature', { keyUsage: ext.keyUsage(keyUsageBit.keyAgreement) }],
    ['X509-15 X509-08 keyCertSign', { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.keyCertSign) }],
    ['X509-15 X509-08 cRLSign', { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.cRLSign) }],
    ['X509-09 serverAuth alone', { extKeyUsage: ext.extKeyUsage(oid.serverAuth) }],
    ['X509-09 clientAuth alone', { extKeyUsage: ext.extKeyUsage(oid.clientAuth) }],
    ['X509-13 an unknown critical extension', { unknown: ext.unknown(true) }],
    ['X509-13 name constraints on a leaf', { nameConstraints: ext.uriConstraints(['example.org']) }],
  ])('%s is refused', (_name, extensions) => {
    expect(verify([leaf(root, { extensions })]).kind).toBe('malformed')
  })

  test.each([
    ['X509-09 no extended key usage', { extKeyUsage: undefined }],
    ['X509-08 keyEncipherment and keyAgreement', { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.keyEncipherment | keyUsageBit.keyAgreement) }],
    ['X509-13 an unknown extension that is not critical', { unknown: ext.unknown(false) }],
    ['X509-05 cA false, spelled out by its absence', { basicConstraints: ext.basicConstraints(false) }],
  ])('%s is accepted', (_name, extensions) => {
    expect(verify([leaf(root, { extensions })]).kind).toBe('accepted')
  })

  test('X509-03 a subject that is not empty may go with an uncritical alternative name', () => {
    const named = leaf(root, { subject: derName({ commonName: 'web' }), extensions: { names: ext.names({ uris: ['spiffe://example.org/web'], critical: false }) } })
    expect(verify([named]).kind).toBe('accepted')
  })

  test('X509-13 validity is inclusive at both ends', () => {
    const svid = leaf(root)
    const { notBeforeMs, notAfterMs } = svid.fields
    expect(verify([svid], { nowMs: notBeforeMs }).kind).toBe('accepted')
    expect(verify([svid], { nowMs: notAfterMs }).kind).toBe('accepted')
    expect(verify([svid], { nowMs: notBeforeMs - 1 })).toMatchObject({ kind: 'not_yet_valid', notBeforeMs })
    expect(verify([svid], { nowMs: notAfterMs + 1 })).toMatchObject({ kind: 'expired', notAfterMs })
  })

  describe('of a grant', () => {
    const uri = 'spiffe://example.org/web/task/0123456789abcdefghjkmnpqrs'
    const claims = { id: '0123456789abcdefghjkmnpqrs', intentHash: '11'.repeat(32), policyHash: '22'.repeat(32), deadlineMs: nowMs + 300_000 }
    const grant = extension(oid.grantClaims, false, derGrantClaims(claims))
    const names = ext.names({ uris: [uri] })

    test('the verdict says what its issuer says of it', () => {
      expect(verify([leaf(root, { uri, extensions: { names, grant } })])).toMatchObject({ kind: 'accepted', id: uri, grant: claims })
      expect(verify([leaf(root)])).not.toHaveProperty('grant')
    })

    test('taskOf lets any grant of the workload in, and its children; neither the workload nor a name that looks like it', () => {
      const allow = taskOf(parseSpiffeId('spiffe://example.org/web'))
      const verdictOf = (id: string): string => verify([leaf(root, { uri: id })], { allow }).kind
      expect(['/task/a', '/task/a/sub/b', '/task/a/sub/b/sub/c'].map((path) => verdictOf(`spiffe://example.org/web${path}`))).toEqual(['accepted', 'accepted', 'accepted'])
      for (const id of ['/web', '/web2/task/a', '/web/db/task/a', '/task/a', '/web/tasks/a', '/web/sub/a', '/web/task/a/b', '/web/task/a/sub']) expect([id, verdictOf(`spiffe://example.org${id}`)]).toEqual([id, 'not_authorized'])
    })

    test.each([
      ['claims of another grant', { names: ext.names({ uris: ['spiffe://example.org/web/task/other'] }), grant }],
      ['claims of a grant and the ID of a workload', { names: ext.names({ uris: ['spiffe://example.org/web'] }), grant }],
      ['claims that are malformed', { names, grant: extension(oid.grantClaims, false, derGrantClaims(claims).subarray(1)) }],
    ])('%s are malformed', (_, extensions) => {
      expect(verify([leaf(root, { extensions })]).kind).toBe('malformed')
    })
  })

  test('garbage, an empty chain, a chain that is too long and a cut certificate are malformed, and nothing throws', () => {
    const svid = leaf(root)
    expect(verify([]).kind).toBe('malformed')
    expect(verify(Array.from({ length: 9 }, () => svid)).kind).toBe('malformed')
    expect(verify([{ ...svid, der: svid.der.subarray(0, 100) }]).kind).toBe('malformed')
    for (let at = 0; at < svid.der.length; at++) {
      const broken = svid.der.slice()
      broken[at] = (broken[at] ?? 0) ^ 0x55
      expect(verify([{ ...svid, der: broken }]).kind).not.toBe('accepted')
    }
  })
})

describe('who is trusted', () => {
  test('X509-20 TDB-02 only the authorities of the leaf\'s own trust domain count', () => {
    const foreign = authority('foreign')
    const bundles = bundleOf(root).with({ trustDomain: other, x509Authorities: [foreign.der] })
    expect(verify([leaf(foreign)], { bundles })).toMatchObject({ kind: 'untrusted' })
    expect(verify([leaf(foreign, { uri: 'spiffe://other.example/web' })], { bundles }).kind).toBe('accepted')
    expect(verify([leaf(root, { uri: 'spiffe://other.example/web' })], { bundles }).kind).toBe('untrusted')
  })

  test('X509-20 a trust domain without a bundle is untrusted', () => {
    expect(verify([leaf(root, { uri: 'spiffe://other.example/web' })]).kind).toBe('untrusted')
  })

  test('X509-23 TDB-09 a bundle without authorities trusts nothing', () => {
    expect(verify([leaf(root)], { bundles: bundleOf() })).toMatchObject({ kind: 'untrusted' })
  })

  test('X509-21 X509-22 the authorities of a published bundle verify, the first x5c value of each', () => {
    const text = encodeBundle({ trustDomain, x509Authorities: [root.der], sequence: 1n, refreshHintSeconds: 60 })
    const jwks = JSON.parse(text) as { keys: { x5c: string[] }[] } // encoded a line above
    jwks.keys[0]?.x5c.push('bm90IGEgY2VydGlmaWNhdGU=')
    expect(verify([leaf(root)], { bundles: BundleSet.of(parseBundle(trustDomain, JSON.stringify(jwks))) }).kind).toBe('accepted')
    for (const key of jwks.keys) key.x5c = []
    expect(verify([leaf(root)], { bundles: BundleSet.of(parseBundle(trustDomain, JSON.stringify(jwks))) }).kind).toBe('untrusted')
  })

  test('X509-13 a signature by another key of the same name is refused', () => {
    expect(verify([leaf(root, { signer: PrivateKey.generate() })])).toEqual({ kind: 'untrusted', why: 'a signature does not verify' })
  })

  test('X509-13 an issuer name that is no authority\'s is refused, whatever the signature', () => {
    expect(verify([leaf(root, { issuer: derName({ commonName: 'somebody' }) })]).kind).toBe('untrusted')
  })

  test('X509-13 an authority key identifier that is not the issuer\'s is refused', () => {
    expect(verify([leaf(root, { extensions: { authorityKeyId: ext.authorityKeyId(PrivateKey.generate().spki) } })]).kind).toBe('untrusted')
  })

  test('a leaf that is itself in the bundle is refused: authorities alone are trusted', () => {
    const svid = leaf(root)
    expect(verify([svid], { bundles: bundleOf(svid) }).kind).toBe('untrusted')
  })

  test('memberOf, exactly and oneOf decide who is wanted, and no one is by default', () => {
    const web = parseSpiffeId('spiffe://example.org/web')
    const db = parseSpiffeId('spiffe://example.org/db')
    const kindFor = (allow: VerifyOptions['allow']): string => verify([leaf(root)], { allow }).kind
    expect([memberOf(trustDomain), exactly(web), oneOf([db, web])].map(kindFor)).toEqual(['accepted', 'accepted', 'accepted'])
    expect([memberOf(other), exactly(db), oneOf([]), oneOf([db])].map(kindFor)).toEqual(Array.from({ length: 4 }, () => 'not_authorized'))
  })
})

describe('authorities of a path', () => {
  const signing = keyUsageBit.keyCertSign | keyUsageBit.cRLSign

  test('X509-13 a leaf under intermediates is accepted, in whatever order they come', () => {
    const upper = authority('upper', {}, root)
    const lower = authority('lower', {}, upper)
    const svid = leaf(lower)
    expect(verify([svid, lower, upper])).toMatchObject({ kind: 'accepted', facts: { authorityId: lower.id, aboveIds: [upper.id, root.id] } })
    expect(verify([svid, upper, lower]).kind).toBe('accepted')
    expect(verify([svid, lower]).kind).toBe('untrusted')
  })

  test('X509-13 two authorities of one name: the one whose key signed is found', () => {
    const twin = authority('root', { extensions: { subjectKeyId: undefined } })
    expect(verify([leaf(root)], { bundles: bundleOf(twin, root) }).kind).toBe('accepted')
  })

  test.each([
    ['X509-05 cA false', { basicConstraints: ext.basicConstraints(false) }],
    ['X509-05 no basic constraints', { basicConstraints: undefined }],
    ['X509-06 no key usage', { keyUsage: undefined }],
    ['X509-06 an uncritical key usage', { keyUsage: ext.keyUsage(signing, false) }],
    ['X509-07 no keyCertSign', { keyUsage: ext.keyUsage(keyUsageBit.cRLSign) }],
    ['X509-04 a SPIFFE ID with a path', { names: ext.names({ uris: ['spiffe://example.org/ca'], critical: false }) }],
    ['X509-10 an extended key usage without clientAuth', { extKeyUsage: ext.extKeyUsage(oid.serverAuth) }],
    ['X509-11 URI constraints that exclude the trust domain', { nameConstraints: ext.uriConstraints([], ['example.org']) }],
    ['X509-11 URI constraints that permit another trust domain', { nameConstraints: ext.uriConstraints(['other.example']) }],
    ['X509-11 URI constraints that permit subdomains alone', { nameConstraints: ext.uriConstraints(['.example.org']) }],
    ['X509-13 an unknown critical extension', { unknown: ext.unknown(true) }],
  ])('%s: refused as an intermediate and as an anchor', (_name, extensions) => {
    const intermediate = authority('middle', { extensions }, root)
    expect(verify([leaf(intermediate), intermediate]).kind).toBe('untrusted')
    const anchor = authority('anchor', { extensions })
    expect(verify([leaf(anchor)], { bundles: bundleOf(anchor) }).kind).toBe('untrusted')
  })

  test.each([
    ['X509-07 without cRLSign', { keyUsage: ext.keyUsage(keyUsageBit.keyCertSign) }],
    ['X509-04 without a SPIFFE ID', { names: undefined }],
    ['X509-10 with both extended key usages', { extKeyUsage: ext.extKeyUsage(oid.serverAuth, oid.clientAuth) }],
    ['X509-11 URI constraints that permit the trust domain', { nameConstraints: ext.uriConstraints(['example.org']) }],
    ['X509-05 a path length that is kept', { basicConstraints: ext.basicConstraints(true, 0) }],
  ])('%s: accepted as an intermediate', (_name, extensions) => {
    const intermediate = authority('middle', { extensions }, root)
    expect(verify([leaf(intermediate), intermediate]).kind).toBe('accepted')
  })

  test('X509-05 X509-13 a path longer than an authority allows is refused', () => {
    const short = authority('short', { extensions: { basicConstraints: ext.basicConstraints(true, 0) } })
    const middle = authority('middle', {}, short)
    expect(verify([leaf(middle), middle], { bundles: bundleOf(short) })).toEqual({ kind: 'untrusted', why: 'a path is longer than an authority allows' })
    expect(verify([leaf(short)], { bundles: bundleOf(short) }).kind).toBe('accepted')
  })

  test('X509-13 an authority out of its time is refused', () => {
    const past = authority('past', { notAfterMs: nowMs - 1_000 })
    const future = authority('future', { notBeforeMs: nowMs + 1_000 })
    expect(verify([leaf(past)], { bundles: bundleOf(past) })).toEqual({ kind: 'untrusted', why: 'an authority has expired' })
    expect(verify([leaf(future)], { bundles: bundleOf(future) }).kind).toBe('untrusted')
    const middle = authority('middle', { notAfterMs: nowMs - 1_000 }, root)
    expect(verify([leaf(middle), middle]).kind).toBe('untrusted')
  })

  test('X509-12 a leaf cannot issue', () => {
    const web = leaf(root, { subject: derName({ commonName: 'web' }) })
    expect(verify([leaf(web), web])).toMatchObject({ kind: 'untrusted', why: 'an issuer is not an authority: cA is not set' })
  })

  test('intermediates that issue each other in a circle end the search', () => {
    const [a, b] = [PrivateKey.generate(), PrivateKey.generate()]
    const first = authority('a', { key: a, issuer: derName({ organization: 'test', commonName: 'b' }), signer: b })
    const second = authority('b', { key: b, issuer: derName({ organization: 'test', commonName: 'a' }), signer: a })
    expect(verify([leaf(first), first, second, first, second, first, second]).kind).toBe('untrusted')
  })
})

describe('clocks that differ', () => {
  const checker = (aheadMs: number, behindMs: number, ageMs = 0): VerifyOptions['revocation'] => ({ check: () => ({ kind: 'good' }), freshness: () => ({ ageMs, aheadMs, behindMs }) })

  test.each([
    ['strict', 1_001, 0, { kind: 'clock_skew', skewMs: 1_001 }],
    ['standard', 0, 1_001, { kind: 'clock_skew', skewMs: -1_001 }],
    ['standard', 1_000, 0, { kind: 'accepted', stale: false }],
    ['available', 0, 1_001, { kind: 'accepted', stale: true }],
  ] as const)('class %s, signer ahead by %i ms, behind by %i ms', (wanted, aheadMs, behindMs, expected) => {
    expect(verify([leaf(root)], { revocation: checker(aheadMs, behindMs), class: wanted })).toMatchObject(expected)
  })

  test('are said before an age that they make worthless, and after a revocation', () => {
    expect(verify([leaf(root)], { revocation: checker(5_000, 0, 60_000), class: 'strict' }).kind).toBe('clock_skew')
    const revoked: VerifyOptions['revocation'] = { check: () => ({ kind: 'revoked' }), freshness: () => ({ ageMs: 0, aheadMs: 5_000, behindMs: 0 }) }
    expect(verify([leaf(root)], { revocation: revoked, class: 'strict' }).kind).toBe('revoked')
  })
})
