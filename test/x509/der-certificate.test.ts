import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseProfile } from '../../src/core/profile.ts'
import type { CertificateProfile } from '../../src/core/profile.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { authoritySpec, leafSpec } from '../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { certifySpec, toBeSignedOf } from '../../src/x509/der-certificate.ts'
import { derName } from '../../src/x509/name.ts'
import { buildToBeSigned } from '../../src/x509/peculiar/build-certificate.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { verifySignature } from '../../src/x509/signature.ts'

const profileOf = (name: string): CertificateProfile => parseProfile(JSON.parse(readFileSync(new URL(`../../certs/profiles/${name}.json`, import.meta.url), 'utf8')))
const authority = profileOf('authority')
const keys = [PrivateKey.generate(), PrivateKey.generate()]
const seconds = fc.integer({ min: 0, max: 4_102_444_800 }).map((value) => value * 1_000)
const fields = fc.record({
  trustDomain: fc.stringMatching(/^[a-z0-9._-]{1,100}$/).map((name) => parseTrustDomain(name)),
  key: fc.constantFrom(...keys),
  serial: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytes.with(0, ((bytes[0] ?? 0) & 0x3f) | 0x40)),
  notBeforeMs: seconds,
  notAfterMs: seconds,
})

test('an authority has the bytes that the slow path writes, for all inputs', async () => {
  await fc.assert(
    fc.asyncProperty(fields, async ({ trustDomain, key, serial, notBeforeMs, notAfterMs }) => {
      const spec = authoritySpec(authority, { trustDomain, spki: key.spki, serial, validity: { notBeforeMs, notAfterMs } })
      expect(Buffer.from(toBeSignedOf(spec)).toString('hex')).toBe(Buffer.from(await buildToBeSigned(spec)).toString('hex'))
    }),
    { numRuns: 200 },
  )
}, 60_000)

test.each(['x509-svid', 'stream-signer'])('a leaf of profile %s has, too', async (name) => {
  const [key] = keys
  if (key === undefined) throw new Error('no key')
  const spec = leafSpec(profileOf(name), { name: derName({ commonName: 'a' }), keyId: new Uint8Array(20).fill(7) }, { serial: Uint8Array.of(5), notBeforeMs: 1_000, notAfterMs: 2_000, spki: key.spki, subjectKeyId: new Uint8Array(20), uri: name === 'x509-svid' ? 'spiffe://a.b/c' : undefined, dnsNames: [] })
  expect(toBeSignedOf(spec)).toEqual(await buildToBeSigned(spec))
})

test('the certificate is signed by its own key, and only P-256 keys sign', () => {
  const key = PrivateKey.generate()
  const spec = authoritySpec(authority, { trustDomain: parseTrustDomain('example.org'), spki: key.spki, serial: new Uint8Array(16).fill(0x41), validity: { notBeforeMs: 0, notAfterMs: 1_000 } })
  const certificate = parseCertificate(certifySpec(spec, key))
  expect(verifySignature(key.spki, certificate)).toBe(true)
  expect(certificate.extensions.basicConstraints).toMatchObject({ ca: true })
  expect(() => certifySpec(spec, PrivateKey.generate('P-384'))).toThrow('P-256')
})
