import type { FederatedBundle } from '../../core/federated-bundle.ts'
import type { Selector } from '../../core/selector.ts'

/** A registration entry as SPIRE has it. IDs are text that nobody has checked; times are seconds since the epoch, 0: unset. */
export interface SpireEntry {
  readonly id: string
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly federatesWith: readonly string[]
  readonly dnsNames: readonly string[]
  readonly hint: string
  readonly admin: boolean
  readonly downstream: boolean
  readonly storeSvid: boolean
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
  readonly expiresAtSeconds: number
  readonly createdAtSeconds: number
  /** Members that this mayfly has never heard of: what they would mean is not guessed. */
  readonly unknown: readonly string[]
}

/** An agent as SPIRE has it. */
export interface SpireAgent {
  readonly id: string
  readonly attestationType: string
  readonly selectors: readonly Selector[]
  /** Seconds since the epoch. */
  readonly expiresAtSeconds: number
  readonly banned: boolean
}

/** The bundle of another trust domain as SPIRE has it: nobody has checked what it holds. */
export type SpireBundle = Omit<FederatedBundle, 'trustDomain'> & { readonly trustDomain: string }

/** All that is read of a SPIRE server. */
export interface SpireRegistry {
  readonly entries: readonly SpireEntry[]
  /** `undefined`: not known, so that nothing can be said of which entries are in use. */
  readonly agents: readonly SpireAgent[] | undefined
  /** Of other trust domains; `undefined`: not known. */
  readonly bundles: readonly SpireBundle[] | undefined
}

/** More than any SPIRE server holds that was ever heard of; who sends more is not one. */
export const maxEntries = 500_000
export const maxAgents = 100_000
export const maxBundles = 10_000
