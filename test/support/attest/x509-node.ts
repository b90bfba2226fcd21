import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { X509popConfig } from '../../../agent/node/config.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { authorityIdOf } from '../../../src/x509/fingerprint.ts'
import { derName } from '../../../src/x509/name.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { importPublicKey, keyKindOf } from '../../../src/x509/spki.ts'
import type { TrustAnchor } from '../../../src/verify/bundle-set.ts'
import { ext, leaf } from '../verify/certificates.ts'
import type { Issued } from '../verify/certificates.ts'

export type LeafOverrides = NonNullable<Parameters<typeof leaf>[1]>

/** Files of a machine's certificate, valid unless it is overridden. */
export function x509Node(folder: string, name: string, issuers: readonly [Issued, ...Issued[]], kind: 'P-256' | 'P-384' | 'RSA', overrides: LeafOverrides = {}): X509popConfig & { readonly der: Uint8Array } {
  const pair = kind === 'RSA' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: kind })
  const spki = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }))
  const { extensions, ...rest } = overrides
  const { der } = leaf(issuers[0], {
    serial: Uint8Array.of(0x0a, 0x0b, 0x0c),
    subject: derName({ commonName: name }),
    spki,
    extensions: { subjectKeyId: ext.subjectKeyId(spki), names: ext.names({ uris: ['x509pop://example.org/rack/7'], dns: [`${name}.example.org`], critical: false }), ...extensions },
    ...rest,
  })
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`), intermediates: undefined }
  writeFileSync(files.certificate, encodeCertificatesPem([der, ...issuers.slice(0, -1).map((issuer) => issuer.der)]))
  writeFileSync(files.key, keyPem(pair.privateKey), { mode: 0o600 })
  return { ...files, der }
}

export function anchorOf({ der }: Issued): TrustAnchor {
  const certificate = parseCertificate(der)
  const keyKind = keyKindOf(certificate.spki)
  if (keyKind === undefined) throw new Error('an authority of another kind of key')
  return { certificate, id: authorityIdOf(certificate.spki), key: importPublicKey(certificate.spki), keyKind }
}

function keyPem(key: KeyObject): string {
  return String(key.export({ type: 'pkcs8', format: 'pem' }))
}
