import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { Crypto } from '@peculiar/webcrypto'
import { toHex } from '../../core/bytes.ts'
import { MayflyError } from '../../core/errors.ts'
import type { ProfileKeyUsage } from '../../core/profile.ts'
import type { CertificateSpec } from '../certificate-spec.ts'
import { parseCertificate } from '../certificate.ts'
import { derGrantClaims } from '../grant-claims.ts'
import { oid } from '../oids.ts'
import type { SigningKey } from '../signing-key.ts'
import type { KeyKind } from '../spki.ts'
import { certificateOf } from '../template.ts'

const crypto = new Crypto()
x509.cryptoProvider.set(crypto)

const algorithms: Readonly<Record<Exclude<KeyKind, 'Ed25519'>, { readonly name: string; readonly hash: string; readonly namedCurve?: string }>> = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
}
const usageFlags: Readonly<Record<ProfileKeyUsage, x509.KeyUsageFlags>> = {
  digitalSignature: x509.KeyUsageFlags.digitalSignature,
  keyEncipherment: x509.KeyUsageFlags.keyEncipherment,
  keyAgreement: x509.KeyUsageFlags.keyAgreement,
  keyCertSign: x509.KeyUsageFlags.keyCertSign,
  cRLSign: x509.KeyUsageFlags.cRLSign,
}

/** Builds a certificate and has it signed. Returns DER. Takes milliseconds: never on a busy path. */
export async function buildCertificate(spec: CertificateSpec, signer: SigningKey): Promise<Uint8Array> {
  const toBeSigned = await buildToBeSigned(spec, signer.kind)
  return certificateOf(toBeSigned, await signer.sign(toBeSigned), signer.kind)
}

/** The to-be-signed bytes alone: what a key of this kind signs, wherever it is. @throws {MayflyError} PROFILE_INVALID for Ed25519, which signs no certificates here */
export async function buildToBeSigned(spec: CertificateSpec, signedBy: KeyKind): Promise<Uint8Array> {
  if (signedBy === 'Ed25519') throw new MayflyError('PROFILE_INVALID', 'no authority has an Ed25519 key')
  const signature = new Uint8Array(signedBy === 'P-384' ? 96 : 64).fill(1)
  const certificate = await x509.X509CertificateGenerator.create({ ...paramsOf(spec), signature, signingAlgorithm: algorithms[signedBy] }, crypto)
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
