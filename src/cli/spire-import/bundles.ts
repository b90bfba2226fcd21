import { MayflyError } from '../../core/errors.ts'
import { isSameBundle } from '../../core/federated-bundle.ts'
import type { FederatedBundle } from '../../core/federated-bundle.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { checkFederatedBundle } from '../../x509/federated-bundle.ts'
import { readStatus } from '../batches.ts'
import { bundleToWire } from '../bundles.ts'
import type { SpireBundle } from './registry.ts'

/** What would become of the bundle of another trust domain that SPIRE has. */
export type PlannedBundle =
  | { readonly trustDomain: string; readonly fate: 'moves' | 'there'; readonly bundle: FederatedBundle }
  /** Mayfly has one with other authorities: it is left as it is. */
  | { readonly trustDomain: string; readonly fate: 'differs' }
  | { readonly trustDomain: string; readonly fate: 'refused'; readonly code: string; readonly text: string }

/** @param existing what mayfly has */
export function planBundles(bundles: readonly SpireBundle[], existing: readonly FederatedBundle[]): readonly PlannedBundle[] {
  const present = new Map<string, FederatedBundle>(existing.map((bundle) => [bundle.trustDomain, bundle]))
  return bundles.map((raw): PlannedBundle => {
    try {
      const bundle = checkFederatedBundle({ ...raw, trustDomain: parseTrustDomain(raw.trustDomain) })
      const found = present.get(raw.trustDomain)
      if (found === undefined) return { trustDomain: raw.trustDomain, fate: 'moves', bundle }
      const { sequence, refreshHintSeconds } = bundle
      return isSameBundle({ ...found, sequence, refreshHintSeconds }, bundle) ? { trustDomain: raw.trustDomain, fate: 'there', bundle } : { trustDomain: raw.trustDomain, fate: 'differs' }
    } catch (error) {
      if (!(error instanceof MayflyError)) throw error
      return { trustDomain: raw.trustDomain, fate: 'refused', code: error.code, text: error.message }
    }
  })
}

/** Makes those that move, before the entries that name them. Returns what was not made and why. */
export async function applyBundles(plan: readonly PlannedBundle[], server: RpcChannel, signal: AbortSignal): Promise<{ readonly created: number; readonly failed: readonly { readonly trustDomain: string; readonly code: string; readonly text: string }[] }> {
  const failed: { trustDomain: string; code: string; text: string }[] = []
  let created = 0
  for (const planned of plan) {
    if (planned.fate !== 'moves') continue
    const { results } = await server.unary('spire.api.server.bundle.v1.Bundle', 'BatchCreateFederatedBundle', { bundle: [bundleToWire(planned.bundle)] }, { signal })
    const status = results[0]?.status
    if (status === null || status === undefined || status.code === 0) created++
    else if (readStatus(status).code !== 'ALREADY_EXISTS') failed.push({ trustDomain: planned.trustDomain, ...readStatus(status) })
  }
  return { created, failed }
}
