import { MayflyError } from '../core/errors.ts'
import { parseSpiffeId, pathOf, trustDomainOf } from '../core/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { TrustDomainAuthorities } from '../verify/bundle-set.ts'
import { BundleSet } from '../verify/bundle-set.ts'
import type { X509BundlesResponse__Output as BundlesResponse } from '../../proto/generated/X509BundlesResponse.ts'
import type { X509SVIDResponse__Output as SvidResponse } from '../../proto/generated/X509SVIDResponse.ts'
import { splitCertificates, X509Svid } from './x509-svid.ts'

/** The full X.509 state of a workload: nothing of an earlier one counts any more (WAPI-04, 07, 08). */
export interface X509Context {
  /** At least one; the first is the default. */
  readonly svids: readonly [X509Svid, ...X509Svid[]]
  /** The own trust domains' bundles and those federated with. */
  readonly bundles: BundleSet
}

/** @throws {MayflyError} RESPONSE_INVALID when a mandatory field is at its default (WX-01, WX-02, WAPI-09) or cannot be read */
export function x509ContextOf(response: SvidResponse): X509Context {
  const own = new Map<TrustDomain, readonly Uint8Array[]>()
  const svids = response.svids.map((wire) => {
    if (wire.bundle.length === 0) throw new MayflyError('RESPONSE_INVALID', 'an SVID without its bundle')
    const svid = X509Svid.fromWire(wire)
    own.set(trustDomainOf(svid.id), authoritiesOf(wire.bundle))
    return svid
  })
  const [first, ...others] = svids
  if (first === undefined) throw new MayflyError('RESPONSE_INVALID', 'a response without an SVID')
  const federated = bundlesOf(response.federatedBundles).filter(({ trustDomain }) => !own.has(trustDomain))
  return { svids: [first, ...others], bundles: setOf([...federated, ...[...own].map(([trustDomain, x509Authorities]) => ({ trustDomain, x509Authorities }))]) }
}

/** @throws {MayflyError} RESPONSE_INVALID when there is none (WX-09) or one cannot be read */
export function bundleSetOf(response: BundlesResponse): BundleSet {
  const bundles = bundlesOf(response.bundles)
  if (bundles.length === 0) throw new MayflyError('RESPONSE_INVALID', 'a response without a bundle')
  return setOf(bundles)
}

/** Keyed by the trust domain's SPIFFE ID (WX-05). */
function bundlesOf(wire: Readonly<Record<string, Uint8Array>>): TrustDomainAuthorities[] {
  return Object.entries(wire).map(([key, concatenated]) => {
    const id = unlessInvalid(() => parseSpiffeId(key))
    if (pathOf(id) !== '') throw new MayflyError('RESPONSE_INVALID', `a bundle of ${key}, which is no trust domain`)
    return { trustDomain: trustDomainOf(id), x509Authorities: authoritiesOf(concatenated) }
  })
}

function authoritiesOf(concatenated: Uint8Array): readonly Uint8Array[] {
  return unlessInvalid(() => splitCertificates(concatenated))
}

function setOf(bundles: readonly TrustDomainAuthorities[]): BundleSet {
  return unlessInvalid(() => BundleSet.of(...bundles))
}

function unlessInvalid<T>(read: () => T): T {
  try {
    return read()
  } catch (failure) {
    throw new MayflyError('RESPONSE_INVALID', `a bundle that cannot be read: ${failure instanceof MayflyError ? failure.message : 'unknown'}`, { cause: failure })
  }
}
