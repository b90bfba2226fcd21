import { createHash } from 'node:crypto'
import { loadProfiles, type Profiles } from '../../../server/ca/profiles.ts'
import type { ActiveAuthority } from '../../../server/ca/authorities.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { Logger, LogFact } from '../../../src/ports/logger.ts'
import type { Random } from '../../../src/ports/random.ts'
import { authoritySpec } from '../../../src/x509/certificate-spec.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { authorityIdOf } from '../../../src/x509/fingerprint.ts'
import { buildCertificate } from '../../../src/x509/peculiar/build-certificate.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

/** A log that keeps what it was told. */
export class KeptLog implements Logger {
  readonly facts: LogFact[] = []
  debug(fact: LogFact): void {
    this.facts.push(fact)
  }
  info(fact: LogFact): void {
    this.facts.push(fact)
  }
  warn(fact: LogFact): void {
    this.facts.push(fact)
  }
  error(fact: LogFact): void {
    this.facts.push(fact)
  }
}

/** Bytes that look random and are the same in every run. */
export class CountedRandom implements Random {
  #count = 0
  bytes(length: number): Uint8Array {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () => createHash('sha256').update(`${this.#count++}`).digest())
    return new Uint8Array(Buffer.concat(blocks).subarray(0, length))
  }
}

/** A self-signed authority that is active at `clock`'s time. */
export async function testAuthority(clock: Pick<Clock, 'nowMs'>, lifeMs: number = 7 * 86_400_000, profiles: Profiles = loadProfiles()): Promise<ActiveAuthority> {
  const key = PrivateKey.generate()
  const nowMs = Math.floor(clock.nowMs() / 1_000) * 1_000
  const spec = authoritySpec(profiles.authority, {
    trustDomain: parseTrustDomain('example.test'),
    spki: key.spki,
    serial: new Uint8Array(16).fill(0x41),
    validity: { notBeforeMs: nowMs - 10_000, notAfterMs: nowMs + lifeMs },
  })
  return { id: authorityIdOf(key.spki), certificate: parseCertificate(await buildCertificate(spec, key.toPkcs8())), key }
}
