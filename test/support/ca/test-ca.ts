import { loadProfiles, type Profiles } from '../../../server/ca/profiles.ts'
import type { ActiveAuthority } from '../../../server/ca/active-authority.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { authoritySpec } from '../../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { authorityIdOf } from '../../../src/x509/fingerprint.ts'
import { buildCertificate } from '../../../src/x509/peculiar/build-certificate.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

/** A self-signed authority that is active at `clock`'s time. */
export async function testAuthority(clock: Pick<Clock, 'nowMs'>, lifeMs: number = 7 * 86_400_000, profiles: Profiles = loadProfiles(), key: PrivateKey = PrivateKey.generate()): Promise<Omit<ActiveAuthority, 'key'> & { readonly key: PrivateKey }> {
  const nowMs = Math.floor(clock.nowMs() / 1_000) * 1_000
  const spec = authoritySpec(profiles.authority, {
    trustDomain: parseTrustDomain('example.test'),
    spki: key.spki,
    serial: new Uint8Array(16).fill(0x41),
    validity: { notBeforeMs: nowMs - 10_000, notAfterMs: nowMs + lifeMs },
  })
  return { id: authorityIdOf(key.spki), certificate: parseCertificate(await buildCertificate(spec, key)), chain: [], roots: [], key }
}
