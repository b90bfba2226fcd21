import { describe, expect, test } from 'vitest'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { certifyStreamKey } from '../../../server/ca/stream-signer.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { oid } from '../../../src/x509/oids.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { verifyBytes, verifySignature } from '../../../src/x509/signature.ts'
import { SeededRandom } from '../../support/agent/quiet.ts'
import { testAuthority } from '../../support/ca/test-ca.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const clock = new FakeClock()
const deps = { profiles: loadProfiles(), random: new SeededRandom() }
const key = PrivateKey.generate('Ed25519')

describe('the certificate of the revocation stream’s key', () => {
  test('is an Ed25519 leaf of at most 24 h with a usage of its own and no SPIFFE ID, under the authority', async () => {
    const authority = await testAuthority(clock)
    const certificate = parseCertificate(await certifyStreamKey(key.spki, authority, clock.nowMs(), deps))
    expect(verifySignature(authority.certificate.spki, certificate)).toBe(true)
    expect(certificate.extensions.extKeyUsage?.oids).toEqual([oid.revocationStreamSigning])
    expect(certificate.extensions.subjectAltName).toBeUndefined()
    expect(certificate.extensions.basicConstraints?.ca).toBe(false)
    expect(certificate.notAfterMs).toBe(clock.nowMs() + 86_400_000)
    expect(certificate.serial).toHaveLength(16)
    const batch = new Uint8Array([1, 2, 3])
    expect(verifyBytes(certificate.spki, { oid: oid.ed25519, parameters: undefined }, batch, key.sign(batch))).toBe(true)
  })

  test('ends with its authority', async () => {
    const authority = await testAuthority(clock, 3_600_000)
    expect(parseCertificate(await certifyStreamKey(key.spki, authority, clock.nowMs(), deps)).notAfterMs).toBe(authority.certificate.notAfterMs)
  })
})
