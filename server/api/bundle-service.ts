import type { Bundle } from '../../proto/generated/spire/api/types/Bundle.ts'
import type { BundleMask__Output } from '../../proto/generated/spire/api/types/BundleMask.ts'
import { isAgentId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import type { Authority } from '../store/port.ts'
import type { Caller } from './caller.ts'
import { federatedBundleCalls } from './federated-bundle-calls.ts'
import type { FederatedBundleDeps } from './federated-bundle-calls.ts'
import { noForeignAuthorities, noTokenKeys } from './later.ts'
import { shownBy } from './wire-bundle.ts'

/** What is published: `AuthoritySet`. */
export interface BundleSource {
  bundle(): TrustBundle
  all(): readonly Authority[]
  onChange(listener: () => void): Disposable
}

export interface BundleServiceDeps extends FederatedBundleDeps {
  readonly bundles: BundleSource
  readonly acknowledgements: { acknowledge(agentId: SpiffeId, sequence: number): void }
  readonly onAcknowledged: () => void
}

/** SPIRE's bundle API: GetBundle, to anyone, for what it tells is public; and the bundles of other trust domains. */
export function bundleService(deps: BundleServiceDeps): Handlers<'spire.api.server.bundle.v1.Bundle', Caller> {
  const { bundles: source, acknowledgements, onAcknowledged, federated } = deps
  const readers = new BundleReaders()
  return {
    GetBundle: async ({ outputMask }, { peer }) => {
      if (peer.kind === 'svid' && isAgentId(peer.id) && outputMask?.x509Authorities !== false) {
        const taken = readers.asks(peer.id, Number(source.bundle().sequence ?? 0n))
        if (taken !== undefined) {
          acknowledgements.acknowledge(peer.id, taken)
          onAcknowledged()
        }
      }
      return bundleToWire(source, outputMask)
    },
    CountBundles: async () => ({ count: 1 + federated.size }),
    AppendBundle: noForeignAuthorities,
    PublishJWTAuthority: noTokenKeys,
    PublishWITAuthority: noTokenKeys,
    ...federatedBundleCalls(deps),
  }
}

const maxReaders = 20_000

/** SPIRE's agents acknowledge no bundle, and ask for it every few seconds: whoever asks again has taken in what it was given before. Of more readers than that the one that asked longest ago is forgotten. */
class BundleReaders {
  /** In the order of their asking. */
  readonly #given = new Map<SpiffeId, { readonly given: number; readonly taken: number }>()

  /** Notes that this one is given. Returns what the agent has taken in, when that is news. */
  asks(agentId: SpiffeId, sequence: number): number | undefined {
    const before = this.#given.get(agentId)
    this.#given.delete(agentId)
    this.#given.set(agentId, { given: sequence, taken: before?.given ?? -1 })
    const [longest] = this.#given.keys()
    if (this.#given.size > maxReaders && longest !== undefined) this.#given.delete(longest)
    return before !== undefined && before.given > before.taken ? before.given : undefined
  }
}

export function bundleToWire(source: BundleSource, mask?: BundleMask__Output | null): Bundle {
  const shown = shownBy(mask)
  const bundle = source.bundle()
  const tainted = taintedIn(source.all())
  const wire: Bundle = { trustDomain: bundle.trustDomain }
  if (shown('x509Authorities')) {
    wire.x509Authorities = bundle.x509Authorities.map((der) => ({ asn1: Buffer.from(der), tainted: tainted.has(Buffer.from(der).toString('base64')) }))
  }
  if (shown('refreshHint')) wire.refreshHint = bundle.refreshHintSeconds ?? 0
  if (shown('sequenceNumber')) wire.sequenceNumber = Number(bundle.sequence ?? 0n)
  return wire
}

/** Certificates of the bundle, base64, whose every authority is tainted: a self-signed one itself, a root when all that is below it is. */
function taintedIn(all: readonly Authority[]): ReadonlySet<string> {
  const published = (wanted: (authority: Authority) => boolean): readonly string[] =>
    all.filter((authority) => authority.state !== 'revoked' && wanted(authority)).flatMap(({ certificate, upstream }) => (upstream?.roots ?? [certificate]).map((der) => Buffer.from(der).toString('base64')))
  const good = new Set(published(({ state }) => state !== 'tainted'))
  return new Set(published(({ state }) => state === 'tainted').filter((der) => !good.has(der)))
}
