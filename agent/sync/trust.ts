import type { Bundle__Output } from '../../proto/generated/spire/api/types/Bundle.ts'
import { concatBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { parseTrustDomain, trustDomainId } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import { Notifier } from '../notifier.ts'

/** The bundle of the agent's own trust domain, as last pushed by the server. */
export class Trust {
  readonly trustDomain: TrustDomain
  #bundle: TrustBundle
  #bundles: BundleSet
  #authorityIds: ReadonlySet<string>
  #taintedIds: ReadonlySet<string> = new Set()
  /** Those that are not in the bundle themselves. */
  #taintedBelow: ReadonlySet<string> = new Set()
  #concatenated: Buffer
  readonly changed: Notifier<void> = new Notifier()

  /** @throws {MayflyError} CERTIFICATE_INVALID */
  constructor(bundle: TrustBundle) {
    this.trustDomain = bundle.trustDomain
    this.#bundle = bundle
    this.#bundles = BundleSet.of(bundle)
    this.#authorityIds = idsOf(this.#bundles, bundle.trustDomain)
    this.#concatenated = Buffer.from(concatBytes(...bundle.x509Authorities))
  }

  get bundle(): TrustBundle {
    return this.#bundle
  }

  get bundles(): BundleSet {
    return this.#bundles
  }

  /** The authorities as the Workload API carries them: DER one after another (WX-05). */
  get concatenated(): Buffer {
    return this.#concatenated
  }

  get spiffeId(): string {
    return trustDomainId(this.trustDomain)
  }

  hasAuthority(authorityId: string): boolean {
    return this.#authorityIds.has(authorityId)
  }

  isTainted(authorityId: string): boolean {
    return this.#taintedIds.has(authorityId) || this.#taintedBelow.has(authorityId)
  }

  /** Of authorities below an upstream one, all that are tainted. */
  taint(authorityIds: readonly string[]): void {
    this.#taintedBelow = new Set(authorityIds)
    this.changed.emit()
  }

  /** Takes what the server sent; an older one than is known is passed over. True when it changed anything. @throws {MayflyError} CERTIFICATE_INVALID */
  replace(wire: Bundle__Output): boolean {
    const bundle = bundleFromWire(wire)
    if (bundle.trustDomain !== this.trustDomain) throw new MayflyError('CERTIFICATE_INVALID', `the server sent the bundle of ${bundle.trustDomain}`)
    if ((bundle.sequence ?? 0n) < (this.#bundle.sequence ?? 0n)) return false
    const bundles = BundleSet.of(bundle)
    const tainted = new Set(bundles.authoritiesOf(bundle.trustDomain).flatMap(({ id }, at) => (wire.x509Authorities[at]?.tainted === true ? [id] : [])))
    const concatenated = Buffer.from(concatBytes(...bundle.x509Authorities))
    const same = concatenated.equals(this.#concatenated) && [...tainted].sort().join() === [...this.#taintedIds].sort().join()
    this.#bundle = bundle
    if (same) return false
    this.#bundles = bundles
    this.#authorityIds = idsOf(bundles, bundle.trustDomain)
    this.#taintedIds = tainted
    this.#concatenated = concatenated
    this.changed.emit()
    return true
  }
}

/** @throws {MayflyError} CERTIFICATE_INVALID, SPIFFE_ID_INVALID */
export function bundleFromWire(wire: Bundle__Output): TrustBundle {
  const name = wire.trustDomain.startsWith('spiffe://') ? wire.trustDomain.slice('spiffe://'.length) : wire.trustDomain
  if (wire.x509Authorities.length === 0) throw new MayflyError('CERTIFICATE_INVALID', 'the server sent a bundle without authorities')
  return {
    trustDomain: parseTrustDomain(name),
    x509Authorities: wire.x509Authorities.map(({ asn1 }) => asn1),
    sequence: BigInt(wire.sequenceNumber),
    refreshHintSeconds: wire.refreshHint === 0 ? undefined : wire.refreshHint,
  }
}

function idsOf(bundles: BundleSet, trustDomain: TrustDomain): ReadonlySet<string> {
  return new Set(bundles.authoritiesOf(trustDomain).map(({ id }) => id))
}
