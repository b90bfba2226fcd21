import { trustDomainId, type TrustDomain } from '../core/spiffe-id.ts'
import type { CertificateProfile, ProfileKeyUsage } from '../core/profile.ts'
import type { Validity } from '../core/validity.ts'
import { authorityIdOf, publicKeyHash } from './fingerprint.ts'
import type { GrantClaims } from './grant-claims.ts'
import { derName } from './name.ts'
import { oid } from './oids.ts'
import { subjectKeyIdOf, type LeafFields, type LeafIssuer } from './template.ts'

/** A certificate as the slow path builds it; plain data, so that it can go to a worker. */
export interface CertificateSpec {
  /** Magnitude, big endian, not zero. */
  readonly serial: Uint8Array
  /** Names, DER. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly spki: Uint8Array
  readonly ca: boolean
  /** How many authorities may follow below; unset: no limit. */
  readonly pathLength?: number
  readonly keyUsage: readonly ProfileKeyUsage[]
  /** Dotted; empty: no extension. */
  readonly extKeyUsage: readonly string[]
  readonly subjectKeyId: Uint8Array
  /** `undefined`: no extension, as in self-signed certificates. */
  readonly authorityKeyId: Uint8Array | undefined
  readonly uri: string | undefined
  readonly dnsNames: readonly string[]
  readonly grant?: GrantClaims | undefined
}

/** A self-signed authority: an SVID of the trust domain itself, without path (X509-04), cA, keyCertSign (X509-05..07). */
export function authoritySpec(
  profile: CertificateProfile,
  fields: { readonly trustDomain: TrustDomain; readonly spki: Uint8Array; readonly serial: Uint8Array; readonly validity: Validity },
): CertificateSpec {
  const { organization, commonName = `authority ${authorityIdOf(fields.spki).slice(0, 16)}` } = profile.subject
  const name = derName({ ...(organization === undefined ? {} : { organization }), commonName })
  return {
    serial: fields.serial,
    issuer: name,
    subject: name,
    ...fields.validity,
    spki: fields.spki,
    ca: true,
    keyUsage: profile.keyUsage,
    extKeyUsage: [],
    subjectKeyId: subjectKeyIdOf(publicKeyHash(fields.spki)),
    authorityKeyId: undefined,
    uri: trustDomainId(fields.trustDomain),
    dnsNames: [],
  }
}

/**
 * An authority of a server further down, below `issuer`: an SVID of the trust domain itself, restricted to SVIDs by its extended key usages, so that nothing below it
 * certifies a key of the revocation stream or passes for the server of the trust domain.
 */
export function downstreamAuthoritySpec(
  profile: CertificateProfile,
  issuer: Pick<LeafIssuer, 'name' | 'keyId'>,
  fields: { readonly trustDomain: TrustDomain; readonly spki: Uint8Array; readonly serial: Uint8Array; readonly validity: Validity; readonly pathLength: number },
): CertificateSpec {
  const { organization, commonName = `downstream authority ${authorityIdOf(fields.spki).slice(0, 16)}` } = profile.subject
  return {
    serial: fields.serial,
    issuer: issuer.name,
    subject: derName({ ...(organization === undefined ? {} : { organization }), commonName }),
    ...fields.validity,
    spki: fields.spki,
    ca: true,
    pathLength: fields.pathLength,
    keyUsage: profile.keyUsage,
    extKeyUsage: profile.extKeyUsage.map((usage) => oid[usage]),
    subjectKeyId: subjectKeyIdOf(publicKeyHash(fields.spki)),
    authorityKeyId: issuer.keyId,
    uri: trustDomainId(fields.trustDomain),
    dnsNames: [],
  }
}

/** The same leaf that a `LeafTemplate` of this profile and issuer writes: the slow path is its oracle. */
export function leafSpec(profile: CertificateProfile, issuer: LeafIssuer, fields: LeafFields): CertificateSpec {
  const { organization, commonName } = profile.subject
  return {
    ...fields,
    issuer: issuer.name,
    subject: derName({ ...(organization === undefined ? {} : { organization }), ...(commonName === undefined ? {} : { commonName }) }),
    ca: false,
    keyUsage: profile.keyUsage,
    extKeyUsage: profile.extKeyUsage.map((usage) => oid[usage]),
    authorityKeyId: issuer.keyId,
  }
}
