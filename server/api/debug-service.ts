import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { shownChain } from '../../src/x509/shown-chain.ts'
import type { FederatedBundles } from '../registry/federated-bundles.ts'
import type { Registry } from '../registry/registry.ts'
import type { BundleSource } from './bundle-service.ts'
import type { Caller } from './caller.ts'
import { idToWire } from './wire-id.ts'

export interface DebugServiceDeps {
  readonly registry: Registry
  readonly federated: Pick<FederatedBundles, 'size'>
  readonly bundles: BundleSource
  readonly clock: Clock
  readonly startedAtMs: number
  /** The server's own SVID, DER, leaf first. */
  readonly svidChain: () => readonly Uint8Array[]
}

/** SPIRE's look at a server; `mayfly status` says more. */
export function debugService({ registry, federated, bundles, clock, startedAtMs, svidChain }: DebugServiceDeps): Handlers<'spire.api.server.debug.v1.Debug', Caller> {
  return {
    GetInfo: async () => ({
      svidChain: shownChain(svidChain(), bundles.bundle().x509Authorities).map(({ id, expiresAtSeconds, subject }) => ({ id: id === undefined ? null : idToWire(id), expiresAt: expiresAtSeconds, subject })),
      uptime: Math.floor(Math.max(0, clock.nowMs() - startedAtMs) / 1_000),
      agentsCount: registry.agents.size,
      federatedBundlesCount: federated.size,
      entriesCount: registry.entries.size,
    }),
  }
}
