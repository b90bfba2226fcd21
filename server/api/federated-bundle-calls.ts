import type { BundleMask__Output } from '../../proto/generated/spire/api/types/BundleMask.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { FederatedBundle } from '../../src/core/federated-bundle.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { FederatedBundles } from '../registry/federated-bundles.ts'
import type { BundleDeleteMode } from '../store/bundle-port.ts'
import type { Actor, Store } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { ok, statusOfError } from './status.ts'
import type { WireStatus } from './status.ts'
import { bundleFromWire, bundleWireSize, federatedToWire, foreignTrustDomain, patchOf } from './wire-bundle.ts'

export interface FederatedBundleDeps {
  readonly trustDomain: TrustDomain
  readonly store: Store
  readonly federated: FederatedBundles
  readonly clock: Clock
  readonly log: Logger
}

type Calls = 'ListFederatedBundles' | 'GetFederatedBundle' | 'BatchCreateFederatedBundle' | 'BatchUpdateFederatedBundle' | 'BatchSetFederatedBundle' | 'BatchDeleteFederatedBundle'

const maxItems = 1_000
const maxPageSize = 1_000
/** Below the 4 MB that gRPC clients take. */
const maxMessageBytes = 3_500_000
const modes: Readonly<Record<string, BundleDeleteMode>> = { RESTRICT: 'restrict', DELETE: 'delete', DISSOCIATE: 'dissociate' }

/** SPIRE's calls about bundles of other trust domains, with its semantics: one status an item, and the own trust domain's bundle is nobody's to set. */
export function federatedBundleCalls(deps: FederatedBundleDeps): Pick<Handlers<'spire.api.server.bundle.v1.Bundle', Caller>, Calls> {
  const { store, federated } = deps
  return {
    ListFederatedBundles: async ({ outputMask, pageSize, pageToken }) => await list(deps, outputMask, pageSize, pageToken),
    GetFederatedBundle: async ({ trustDomain, outputMask }) => {
      const name = foreign(trustDomain, deps, 'getting a federated bundle for')
      const bundle = federated.byName(name)
      if (bundle === undefined) throw new MayflyError('NOT_FOUND', `bundle not found: there is none of ${name} here`, { hint: 'mayfly bundle list' })
      return federatedToWire(bundle, outputMask)
    },
    BatchCreateFederatedBundle: async ({ bundle: items, outputMask }, { peer }) => ({
      results: await each(items, deps, peer, outputMask, 'creating', async (bundle, by) => await store.bundles.create(bundle, by)),
    }),
    BatchUpdateFederatedBundle: async ({ bundle: items, inputMask, outputMask }, { peer }) => ({
      results: await each(items, deps, peer, outputMask, 'updating', async (bundle, by) => await store.bundles.update(patchOf(bundle, inputMask), by)),
    }),
    BatchSetFederatedBundle: async ({ bundle: items, outputMask }, { peer }) => ({
      results: await each(items, deps, peer, outputMask, 'setting', async (bundle, by) => await store.bundles.set(bundle, by)),
    }),
    BatchDeleteFederatedBundle: async ({ trustDomains, mode }, { peer }) => {
      const how = modes[mode]
      if (how === undefined) throw new MayflyError('INVALID_ARGUMENT', `unhandled delete mode ${JSON.stringify(mode)}`)
      const results = []
      for (const trustDomain of bounded(trustDomains)) results.push({ trustDomain, status: await deletion(trustDomain, how, peer, deps) })
      return { results }
    },
  }
}

/** As SPIRE, without a page size all of them; in pages as many as fit a message. */
async function list({ store }: FederatedBundleDeps, mask: BundleMask__Output | null, pageSize: number, pageToken: string): Promise<{ readonly bundles: ReturnType<typeof federatedToWire>[]; readonly nextPageToken: string }> {
  if (pageSize < 0) throw new MayflyError('INVALID_ARGUMENT', 'a page size is not negative')
  let size = pageSize === 0 ? maxPageSize : Math.min(pageSize, maxPageSize)
  for (;;) {
    const page = await store.bundles.list(pageToken === '' ? { size } : { size, after: pageToken })
    const bytes = page.items.reduce((sum, bundle) => sum + bundleWireSize(bundle), 0)
    if (bytes <= maxMessageBytes || size === 1) return { bundles: page.items.map((bundle) => federatedToWire(bundle, mask)), nextPageToken: page.next ?? '' }
    if (pageSize === 0) throw new MayflyError('LIMIT_EXCEEDED', 'the bundles do not fit one message', { hint: 'ask for them in pages, or one by one' })
    size = Math.max(1, Math.floor((size * maxMessageBytes) / bytes / 2))
  }
}

type Result = { readonly status: WireStatus; readonly bundle: ReturnType<typeof federatedToWire> | null }

/** One after another, as in SPIRE: a bad item fails alone. */
async function each(items: Parameters<typeof bundleFromWire>[0][], deps: FederatedBundleDeps, caller: Caller, mask: BundleMask__Output | null, doing: string, keep: (bundle: FederatedBundle, by: Actor) => Promise<FederatedBundle>): Promise<Result[]> {
  const results: Result[] = []
  for (const wire of bounded(items)) {
    try {
      foreign(wire.trustDomain, deps, `${doing} a federated bundle for`)
      const kept = await keep(bundleFromWire(wire), { name: nameOf(caller), atMs: deps.clock.nowMs() })
      results.push({ status: ok, bundle: federatedToWire(kept, mask) })
    } catch (error) {
      results.push({ status: statusOfError(error, deps.log), bundle: null })
    }
  }
  return results
}

/** Entries in pieces, then the bundle. Cut off in between, the entries that went are gone and the bundle is there: asked again it goes on. */
async function deletion(trustDomain: string, mode: BundleDeleteMode, caller: Caller, deps: FederatedBundleDeps): Promise<WireStatus> {
  try {
    const name = foreign(trustDomain, deps, 'removing the bundle for')
    for (;;) {
      const { more } = await deps.store.bundles.delete(name, mode, { name: nameOf(caller), atMs: deps.clock.nowMs() })
      if (!more) return ok
    }
  } catch (error) {
    return statusOfError(error, deps.log)
  }
}

/** @throws {MayflyError} INVALID_ARGUMENT also when it is the server's own */
function foreign(text: string, { trustDomain }: FederatedBundleDeps, doing: string): TrustDomain {
  const name = foreignTrustDomain(text)
  if (name === trustDomain) throw new MayflyError('INVALID_ARGUMENT', `${doing} the server's own trust domain is not allowed`)
  return name
}

function bounded<T>(items: readonly T[]): readonly T[] {
  if (items.length > maxItems) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxItems} bundles in one call`)
  return items
}
