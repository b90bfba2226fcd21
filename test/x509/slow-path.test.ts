import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { generateHierarchy } from '../../certs/generate.ts'
import { loadProfiles } from '../../server/ca/profiles.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { authoritySpec, type CertificateSpec } from '../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { SlowPath } from '../../src/x509/peculiar/slow-path.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { FakeClock } from '../support/fake-clock.ts'

const key = PrivateKey.generate()
const spec: CertificateSpec = authoritySpec(loadProfiles().authority, {
  trustDomain: parseTrustDomain('example.test'),
  spki: key.spki,
  serial: Uint8Array.of(0x41, 1, 2),
  validity: { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2026, 0, 8) },
})

describe('the slow path', () => {
  test('builds in a process, ends it once idle, and starts another when it is needed again', async () => {
    const clock = new FakeClock()
    await using slowPath = new SlowPath(clock)
    for (let round = 0; round < 2; round++) {
      const certificate = parseCertificate(await slowPath.certify(spec, key))
      expect(verifySignature(key.spki, certificate)).toBe(true)
      expect([certificate.notBeforeMs, certificate.notAfterMs]).toEqual([spec.notBeforeMs, spec.notAfterMs])
      await clock.advance(5_000)
    }
  })

  test('says so when it cannot build, and goes on', async () => {
    await using slowPath = new SlowPath(new FakeClock())
    await expect(slowPath.certify({ ...spec, spki: Uint8Array.of(1) }, key)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect((await slowPath.certify(spec, key)).length).toBeGreaterThan(300)
  })

  test('rejects what is still waiting when it is closed', async () => {
    const slowPath = new SlowPath(new FakeClock())
    const waiting = slowPath.certify(spec, key).catch((error: unknown) => error)
    await slowPath[Symbol.asyncDispose]()
    expect(await waiting).toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

test('the development hierarchy is a chain from root to leaf', async () => {
  const { root, intermediate, leaf } = await generateHierarchy({ trustDomain: parseTrustDomain('dev.test'), path: '/service', fromMs: Date.UTC(2026, 0, 1), lifeMs: 86_400_000 })
  const [top, middle, bottom] = [root, intermediate, leaf].map(({ certificate }) => new X509Certificate(certificate))
  expect(middle?.checkIssued(top ?? middle)).toBe(true)
  expect(bottom?.checkIssued(middle ?? bottom)).toBe(true)
  expect(verifySignature(intermediate.key.spki, parseCertificate(leaf.certificate))).toBe(true)
  expect(bottom?.subjectAltName).toBe('URI:spiffe://dev.test/service, DNS:localhost')
})
