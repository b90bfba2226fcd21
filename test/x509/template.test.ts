import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseProfile } from '../../src/core/profile.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { leafSpec } from '../../src/x509/certificate-spec.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { derName } from '../../src/x509/name.ts'
import { buildToBeSigned } from '../../src/x509/peculiar/build-certificate.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf, type LeafFields, type LeafIssuer } from '../../src/x509/template.ts'

const profileOf = (name: string) => parseProfile(JSON.parse(readFileSync(new URL(`../../certs/profiles/${name}.json`, import.meta.url), 'utf8')))
const profiles = ['x509-svid', 'grant', 'agent-svid', 'server-svid', 'stream-signer'].map(profileOf)
const keys = [PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate('P-384'), PrivateKey.generate('Ed25519')]

const secondsMs = fc.oneof(
  fc.integer({ min: 0, max: 4_102_444_800 }), // to 2100: both forms of time
  fc.constantFrom(2_524_607_999, 2_524_608_000, 0, 951_782_400, 253_402_300_799),
).map((seconds) => seconds * 1_000)
const segment = fc.stringMatching(/^[a-zA-Z0-9._-]{1,60}$/).filter((text) => text !== '.' && text !== '..')
const uri = fc.tuple(fc.stringMatching(/^[a-z0-9._-]{1,100}$/), fc.array(segment, { minLength: 1, maxLength: 8 })).map(([host, path]) => `spiffe://${host}/${path.join('/')}`)
const dns = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?(\.[a-z]{2,10}){0,3}$/)
const serial = fc.uint8Array({ minLength: 1, maxLength: 19 }).filter((bytes) => bytes[0] !== 0)
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const grant = fc.record({ id: fc.stringMatching(/^[a-zA-Z0-9._-]{1,64}$/), intentHash: hash, policyHash: hash, deadlineMs: fc.oneof(fc.nat(4_102_444_800_000), fc.constantFrom(0, 127, 128, 255, 256, 2 ** 47 - 1)) })
const fields: fc.Arbitrary<LeafFields> = fc
  .record({ serial, notBeforeMs: secondsMs, notAfterMs: secondsMs, key: fc.constantFrom(...keys), uri: fc.option(uri, { nil: undefined }), dnsNames: fc.array(dns, { maxLength: 5 }), grant: fc.option(grant, { nil: undefined }) })
  .map(({ key, ...rest }) => ({ ...rest, spki: key.spki, subjectKeyId: subjectKeyIdOf(publicKeyHash(key.spki)) }))
const issuer: fc.Arbitrary<LeafIssuer> = fc.record({
  name: fc.record({ organization: fc.stringMatching(/^[ -~]{1,60}$/), commonName: fc.string({ minLength: 1, maxLength: 60 }) }).map(derName),
  keyId: fc.uint8Array({ minLength: 1, maxLength: 32 }),
  keyKind: fc.constantFrom('P-256', 'P-384', 'RSA'),
})

describe('the template', () => {
  test('writes the bytes that the slow path writes, for all inputs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...profiles), issuer, fields, async (profile, under, leaf) => {
        const fast = new LeafTemplate(profile, under).toBeSigned(leaf)
        const slow = await buildToBeSigned(leafSpec(profile, under, leaf), under.keyKind)
        expect(Buffer.from(fast).toString('hex')).toBe(Buffer.from(slow).toString('hex'))
      }),
      { numRuns: 300 },
    )
  })

  test('gives back what was put in, read by the strict reader', () => {
    fc.assert(
      fc.property(fc.constantFrom(...profiles), issuer, fields, (profile, under, leaf) => {
        const certificate = parseCertificate(certificateOf(new LeafTemplate(profile, under).toBeSigned(leaf), new Uint8Array(70), under.keyKind))
        expect(certificate.serial).toEqual(leaf.serial)
        expect([certificate.notBeforeMs, certificate.notAfterMs]).toEqual([leaf.notBeforeMs, leaf.notAfterMs])
        expect(certificate.spki).toEqual(leaf.spki)
        expect(certificate.issuer).toEqual(under.name)
        expect(certificate.extensions.subjectKeyId).toEqual(leaf.subjectKeyId)
        expect(certificate.extensions.authorityKeyId).toEqual(under.keyId)
        expect(certificate.extensions.subjectAltName?.uris ?? []).toEqual(leaf.uri === undefined ? [] : [leaf.uri])
        expect(certificate.extensions.subjectAltName?.dns ?? []).toEqual(leaf.dnsNames)
        expect(certificate.extensions.grant).toEqual(leaf.grant)
      }),
    )
  })

  test('refuses milliseconds instead of cutting them', () => {
    const key = PrivateKey.generate()
    const template = new LeafTemplate(profileOf('x509-svid'), { name: derName({ commonName: 'a' }), keyId: new Uint8Array(20), keyKind: 'P-256' })
    const leaf = { serial: Uint8Array.of(1), notBeforeMs: 0, notAfterMs: 1_001, spki: key.spki, subjectKeyId: new Uint8Array(20), uri: 'spiffe://a.test/b', dnsNames: [] }
    expect(() => template.toBeSigned(leaf)).toThrow('not in whole seconds')
  })
})
