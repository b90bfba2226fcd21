import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { bundleDigest, encodeBundle, parseBundle, type TrustBundle } from '../../src/x509/bundle.ts'
import { decodeCertificatesPem, decodePrivateKeyPem, encodeCertificatesPem, encodePem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { authority } from '../support/verify/certificates.ts'
import { x509Vectors } from '../support/x509-vectors.ts'

const trustDomain = parseTrustDomain('example.org')
const [one, two] = [authority('one').der, authority('two').der]
const bundle: TrustBundle = { trustDomain, x509Authorities: [one, two], sequence: 7n, refreshHintSeconds: 300 }

interface Parsed {
  readonly keys: readonly Record<string, unknown>[]
  readonly spiffe_sequence?: number
  readonly spiffe_refresh_hint?: number
}
const encoded = (what: TrustBundle): Parsed => JSON.parse(encodeBundle(what)) as Parsed // what we just wrote
const base64 = Buffer.from(one).toString('base64')

describe('a bundle that is published', () => {
  test('TDB-03 is a JWK Set', () => {
    expect(Array.isArray(encoded(bundle).keys)).toBe(true)
  })
  test('TDB-04 TDB-06 has a sequence and a refresh hint, both integers', () => {
    expect(encoded(bundle)).toMatchObject({ spiffe_sequence: 7, spiffe_refresh_hint: 300 })
  })
  test('TDB-07 has keys, be it none', () => {
    expect(encoded({ ...bundle, x509Authorities: [] }).keys).toEqual([])
  })
  test('TDB-10 TDB-11 X509-21 has one JWK an authority with kty, use and exactly one x5c, no kid and nothing else', () => {
    for (const [at, jwk] of encoded(bundle).keys.entries()) {
      expect(Object.keys(jwk).toSorted()).toEqual(['crv', 'kty', 'use', 'x', 'x5c', 'y'])
      expect(jwk).toMatchObject({ kty: 'EC', use: 'x509-svid', x5c: [Buffer.from(bundle.x509Authorities[at] ?? []).toString('base64')] })
    }
  })
})

describe('a bundle that is read', () => {
  test('comes back as it was published', () => {
    expect(parseBundle(trustDomain, encodeBundle(bundle))).toEqual(bundle)
    for (const { der, accepted } of x509Vectors('certificates')) {
      if (accepted) expect(parseBundle(trustDomain, encodeBundle({ ...bundle, x509Authorities: [der] })).x509Authorities).toEqual([der])
    }
  })
  test('TDB-03 unknown members are passed over', () => {
    expect(parseBundle(trustDomain, JSON.stringify({ keys: [], extra: { spiffe_sequence: 1 } }))).toMatchObject({ sequence: undefined })
  })
  test('TDB-05 the sequence has at least 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n }), (sequence) => {
        expect(parseBundle(trustDomain, encodeBundle({ ...bundle, sequence })).sequence).toBe(sequence)
      }),
    )
  })
  test('TDB-07 without keys it is refused', () => {
    expect(() => parseBundle(trustDomain, '{}')).toThrow('TDB-07')
  })
  test('TDB-08 a key with unknown kty, without use or with unknown use is skipped, and use is case-sensitive', () => {
    const keys = [{ kty: 'XX', use: 'x509-svid', x5c: [base64] }, { kty: 'EC', x5c: [base64] }, { kty: 'EC', use: 'X509-SVID', x5c: [base64] }, { kty: 'EC', use: 'wit-svid', x5c: [base64] }, { kty: 'EC', use: 'x509-svid', x5c: [base64] }]
    expect(parseBundle(trustDomain, JSON.stringify({ keys })).x509Authorities).toEqual([one])
  })
  test('TDB-09 X509-23 with no usable key there is no authority', () => {
    expect(parseBundle(trustDomain, JSON.stringify({ keys: [{ kty: 'EC', use: 'jwt-svid', kid: 'a' }] })).x509Authorities).toEqual([])
  })
  test('X509-22 a key without x5c or with an empty one is ignored, of several values the first counts', () => {
    const keys = [{ kty: 'EC', use: 'x509-svid' }, { kty: 'EC', use: 'x509-svid', x5c: [] }, { kty: 'EC', use: 'x509-svid', x5c: [base64, 'nonsense'] }]
    expect(parseBundle(trustDomain, JSON.stringify({ keys })).x509Authorities).toEqual([one])
  })
  test.each(['', 'null', '[]', '{"keys":{}}', '{"keys":[1]}', '{"keys":[],"spiffe_sequence":"1"}', '{"keys":[],"spiffe_sequence":1.5}', '{"keys":[],"spiffe_refresh_hint":"1"}', '{"keys":[{"kty":"EC","use":"x509-svid","x5c":["AAAA"]}]}', '{"keys":[{"kty":"EC","use":"x509-svid","x5c":[1]}]}'])('%s is refused', (text) => {
    expect(() => parseBundle(trustDomain, text)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^(CERTIFICATE|DER)_INVALID$/) }))
  })
})

test('the digest that a join line pins does not depend on the order of the authorities, and on nothing else', () => {
  expect(bundleDigest([one, two])).toEqual(bundleDigest([two, one]))
  expect(bundleDigest([one])).not.toEqual(bundleDigest([one, two]))
  expect(bundleDigest([one, one])).not.toEqual(bundleDigest([one]))
  expect(Buffer.from(bundleDigest([])).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  expect(Buffer.from(bundleDigest([Uint8Array.of(2), Uint8Array.of(1, 9)]))).toEqual(Buffer.from(bundleDigest([Uint8Array.of(1, 9), Uint8Array.of(2)])))
})

describe('PEM', () => {
  test('comes back as it went in, with text around it and either line ending', () => {
    const pem = encodeCertificatesPem([one, two])
    expect(decodeCertificatesPem(pem)).toEqual([one, two])
    expect(decodeCertificatesPem(`subject=x\n${pem.replaceAll('\n', '\r\n')}\n# end`)).toEqual([one, two])
  })
  test.each([
    ['no block', ''],
    ['a key', PrivateKey.generate().toPem()],
    ['a certificate and a key', encodePem('CERTIFICATE', one) + PrivateKey.generate().toPem()],
    ['a block without its end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
    ['ends that differ', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATES-----\n'],
    ['damaged base64', '-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n'],
    ['base64 with bits left over', '-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n'],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['a header inside', '-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END CERTIFICATE-----\n'],
    ['more than 1 MiB', 'x'.repeat(1_048_577)],
  ])('with %s is no chain of certificates', (_, text) => {
    expect(() => decodeCertificatesPem(text)).toThrow(expect.objectContaining({ code: 'CERTIFICATE_INVALID' }))
  })
  test('two keys are not one', () => {
    const pem = PrivateKey.generate().toPem()
    expect(() => decodePrivateKeyPem(pem + pem)).toThrow('not one PRIVATE KEY')
  })
})
