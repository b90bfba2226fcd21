import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDurationMs } from '../src/core/duration.ts'
import { MayflyError } from '../src/core/errors.ts'
import { parseProfile } from '../src/core/profile.ts'
import { parseTrustDomain, spiffeIdOf, type TrustDomain } from '../src/core/spiffe-id.ts'
import { wholeSeconds } from '../src/core/validity.ts'
import { authoritySpec, leafSpec, type CertificateSpec } from '../src/x509/certificate-spec.ts'
import { publicKeyHash } from '../src/x509/fingerprint.ts'
import { derName } from '../src/x509/name.ts'
import { encodeCertificatesPem } from '../src/x509/pem.ts'
import { buildCertificate } from '../src/x509/peculiar/build-certificate.ts'
import { PrivateKey } from '../src/x509/private-key.ts'
import { subjectKeyIdOf } from '../src/x509/template.ts'
import authority from './profiles/authority.json' with { type: 'json' }
import x509Svid from './profiles/x509-svid.json' with { type: 'json' }

/** One certificate of the hierarchy and its key. */
export interface Member {
  /** DER. */
  readonly certificate: Uint8Array
  readonly key: PrivateKey
}

export interface HierarchyTerms {
  readonly trustDomain: TrustDomain
  /** Of the leaf, with its leading slash. */
  readonly path: string
  /** When it begins, ms since the epoch. */
  readonly fromMs: number
  readonly lifeMs: number
}

/** A development hierarchy: root → intermediate → leaf, all P-256, all valid for the same time. Not for production: its keys were in a file. */
export async function generateHierarchy(terms: HierarchyTerms): Promise<{ readonly root: Member; readonly intermediate: Member; readonly leaf: Member }> {
  const [rootKey, intermediateKey, leafKey] = [PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()]
  const validity = { notBeforeMs: wholeSeconds(terms.fromMs), notAfterMs: wholeSeconds(terms.fromMs + terms.lifeMs) }
  const specOf = (key: PrivateKey): CertificateSpec => authoritySpec(parseProfile(authority), { trustDomain: terms.trustDomain, spki: key.spki, serial: serialOf(key), validity })

  const root = specOf(rootKey)
  const intermediate: CertificateSpec = { ...specOf(intermediateKey), issuer: root.subject, subject: derName({ organization: 'mayfly', commonName: 'development intermediate' }), authorityKeyId: root.subjectKeyId }
  const leaf = leafSpec(
    parseProfile(x509Svid),
    { name: intermediate.subject, keyId: intermediate.subjectKeyId, keyKind: intermediateKey.kind },
    {
      serial: serialOf(leafKey),
      ...validity,
      spki: leafKey.spki,
      subjectKeyId: subjectKeyIdOf(publicKeyHash(leafKey.spki)),
      uri: spiffeIdOf(terms.trustDomain, terms.path),
      dnsNames: ['localhost'],
    },
  )
  return {
    root: { certificate: await buildCertificate(root, rootKey), key: rootKey },
    intermediate: { certificate: await buildCertificate(intermediate, rootKey), key: intermediateKey },
    leaf: { certificate: await buildCertificate(leaf, intermediateKey), key: leafKey },
  }
}

/** Sixteen octets, positive, as unforeseeable as the key they come from. */
function serialOf(key: PrivateKey): Uint8Array {
  const serial = publicKeyHash(key.spki).slice(0, 16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'trust-domain': { type: 'string', default: 'dev.test' },
      path: { type: 'string', default: '/service' },
      from: { type: 'string' },
      life: { type: 'string', default: '24h' },
      out: { type: 'string', default: '.' },
    },
  })
  const fromMs = Date.parse(values.from ?? '')
  if (Number.isNaN(fromMs)) throw new MayflyError('INVALID_ARGUMENT', 'say when it begins', { hint: '--from "$(date -u +%FT%TZ)"' })
  const terms = { trustDomain: parseTrustDomain(values['trust-domain']), path: values.path, fromMs, lifeMs: parseDurationMs(values.life) }
  const { root, intermediate, leaf } = await generateHierarchy(terms)
  mkdirSync(values.out, { recursive: true, mode: 0o700 })
  const write = (name: string, text: string, mode = 0o600): void => writeFileSync(join(values.out, name), text, { mode })
  write('bundle.pem', encodeCertificatesPem([root.certificate]), 0o644)
  write('svid.pem', encodeCertificatesPem([leaf.certificate, intermediate.certificate]), 0o644)
  write('svid-key.pem', leaf.key.toPem())
  write('intermediate.pem', encodeCertificatesPem([intermediate.certificate]), 0o644)
  write('intermediate-key.pem', intermediate.key.toPem())
  write('root-key.pem', root.key.toPem())
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    process.stderr.write(error instanceof MayflyError ? `mayfly: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}` : `${String(error)}\n`)
    process.exitCode = 1
  }
}
