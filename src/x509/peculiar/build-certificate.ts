import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { Crypto } from '@peculiar/webcrypto'
import { toHex } from '../../core/bytes.ts'
import type { ProfileKeyUsage } from '../../core/profile.ts'
import type { CertificateSpec } from '../certificate-spec.ts'
import { parseCertificate } from '../certificate.ts'
import { derGrantClaims } from '../grant-claims.ts'
import { oid } from '../oids.ts'

const crypto = new Crypto()
x509.cryptoProvider.set(crypto)

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const usageFlags: Readonly<Record<ProfileKeyUsage, x509.KeyUsageFlags>> = {
  digitalSignature: x509.KeyUsageFlags.digitalSignature,
  keyEncipherment: x509.KeyUsageFlags.keyEncipherment,
  keyAgreement: x509.KeyUsageFlags.keyAgreement,
  keyCertSign: x509.KeyUsageFlags.keyCertSign,
  cRLSign: x509.KeyUsageFlags.cRLSign,
}

/** Builds a certificate and signs it with ECDSA P-256 and SHA-256. `signer`: PKCS#8. Returns DER. Takes milliseconds: never on a busy path. */
export async function buildCertificate(spec: CertificateSpec, signer: Uint8Array): Promise<Uint8Array> {
  const signingKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(signer), ecdsa, false, ['sign'])
  const certificate = await x509.X509CertificateGenerator.create({ ...paramsOf(spec), signingKey, signingAlgorithm: ecdsa }, crypto)
  return new Uint8Array(certificate.rawData)
}

/** The to-be-signed bytes alone, for comparing. */
export async function buildToBeSigned(spec: CertificateSpec): Promise<Uint8Array> {
  const signature = new Uint8Array(64).fill(1)
  const certificate = await x509.X509CertificateGenerator.create({ ...paramsOf(spec), signature, signingAlgorithm: ecdsa }, crypto)
  return parseCertificate(new Uint8Array(certificate.rawData)).tbs
}

function paramsOf(spec: CertificateSpec): Omit<x509.X509CertificateCreateWithSignatureParams, 'signature' | 'signingAlgorithm'> {
  return {
    serialNumber: toHex(spec.serial),
    issuer: new x509.Name(new Uint8Array(spec.issuer)),
    subject: new x509.Name(new Uint8Array(spec.subject)),
    notBefore: new Date(spec.notBeforeMs),
    notAfter: new Date(spec.notAfterMs),
    publicKey: new x509.PublicKey(new Uint8Array(spec.spki)),
    extensions: extensionsOf(spec),
  }
}

function extensionsOf(spec: CertificateSpec): x509.Extension[] {
  const names: x509.JsonGeneralNames = [
    ...(spec.uri === undefined ? [] : [{ type: 'url' as const, value: spec.uri }]), // `as const`: a member of the library's union
    ...spec.dnsNames.map((value) => ({ type: 'dns' as const, value })), // likewise
  ]
  return [
    new x509.KeyUsagesExtension(
      spec.keyUsage.reduce((flags, usage) => flags | usageFlags[usage], 0),
      true,
    ),
    ...(spec.extKeyUsage.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...spec.extKeyUsage], false)]),
    new x509.BasicConstraintsExtension(spec.ca, spec.pathLength, true),
    new x509.SubjectKeyIdentifierExtension(toHex(spec.subjectKeyId), false),
    ...(spec.authorityKeyId === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(toHex(spec.authorityKeyId), false)]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names, spec.subject.length === 2)]),
    ...(spec.grant === undefined ? [] : [new x509.Extension(oid.grantClaims, false, new Uint8Array(derGrantClaims(spec.grant)))]),
  ]
}
