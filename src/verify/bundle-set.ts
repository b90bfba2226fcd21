import type { KeyObject } from 'node:crypto'
import { MayflyError } from '../core/errors.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import { parseCertificate, type Certificate } from '../x509/certificate.ts'
import { authorityIdOf } from '../x509/fingerprint.ts'
import { importPublicKey, keyKindOf, type KeyKind } from '../x509/spki.ts'

/** An authority of a bundle with its key imported. */
export interface TrustAnchor {
  readonly certificate: Certificate
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly id: string
  readonly key: KeyObject
  readonly keyKind: KeyKind
}

/** A trust domain and the DER certificates of its authorities. */
export interface TrustDomainAuthorities {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly Uint8Array[]
}

/** Bundles by trust domain, never pooled: an identity is verified by its own trust domain's authorities alone (TDB-02, X509-20). */
export class BundleSet {
  readonly #anchors: ReadonlyMap<TrustDomain, readonly TrustAnchor[]>

  private constructor(anchors: ReadonlyMap<TrustDomain, readonly TrustAnchor[]>) {
    this.#anchors = anchors
  }

  /** The last bundle of a trust domain counts. @throws {MayflyError} CERTIFICATE_INVALID, DER_INVALID when an authority is no certificate or its key of no supported kind */
  static of(...bundles: readonly TrustDomainAuthorities[]): BundleSet {
    return new BundleSet(new Map(bundles.map(({ trustDomain, x509Authorities }) => [trustDomain, x509Authorities.map(anchorOf)])))
  }

  /** A set in which this bundle takes the place of its trust domain's. @throws as {@link BundleSet.of} */
  with(bundle: TrustDomainAuthorities): BundleSet {
    return new BundleSet(new Map([...this.#anchors, [bundle.trustDomain, bundle.x509Authorities.map(anchorOf)]]))
  }

  without(trustDomain: TrustDomain): BundleSet {
    return new BundleSet(new Map([...this.#anchors].filter(([other]) => other !== trustDomain)))
  }

  /** Empty for a trust domain that is unknown or has no authority: nothing of it is trusted (TDB-09, X509-23). */
  authoritiesOf(trustDomain: TrustDomain): readonly TrustAnchor[] {
    return this.#anchors.get(trustDomain) ?? []
  }

  get trustDomains(): readonly TrustDomain[] {
    return [...this.#anchors.keys()]
  }
}

function anchorOf(der: Uint8Array): TrustAnchor {
  const certificate = parseCertificate(der)
  const keyKind = keyKindOf(certificate.spki)
  if (keyKind === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'an authority has a key of a kind that is not supported')
  return { certificate, id: authorityIdOf(certificate.spki), key: importPublicKey(certificate.spki), keyKind }
}
