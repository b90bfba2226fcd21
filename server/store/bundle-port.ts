import type { FederatedBundle } from '../../src/core/federated-bundle.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Actor, Page, PageOf } from './model.ts'

/** What becomes of entries that name the trust domain, as in SPIRE: they forbid the deletion, are deleted too, or stay without it. */
export type BundleDeleteMode = 'restrict' | 'delete' | 'dissociate'

/** Only the fields that change. */
export type BundlePatch = { readonly trustDomain: TrustDomain } & Partial<Omit<FederatedBundle, 'trustDomain'>>

export interface BundleDeletion {
  /** Entries that were deleted or dissociated in this transaction. */
  readonly entries: number
  /** Entries are left, and so is the bundle: call it again. One transaction takes 500. */
  readonly more: boolean
}

/** Bundles of other trust domains, each set by hand; what they hold was checked before. */
export interface BundleStore {
  /** @throws ALREADY_EXISTS, LIMIT_EXCEEDED, INVALID_ARGUMENT for the own trust domain's */
  create(bundle: FederatedBundle, by: Actor): Promise<FederatedBundle>
  /** @throws NOT_FOUND */
  update(patch: BundlePatch, by: Actor): Promise<FederatedBundle>
  /** Made, or replaced whatever was there: the one who sets it decides, not its sequence number (FED-05). @throws LIMIT_EXCEEDED, INVALID_ARGUMENT likewise */
  set(bundle: FederatedBundle, by: Actor): Promise<FederatedBundle>
  /** @throws NOT_FOUND; PRECONDITION_FAILED when entries name it and the mode is `restrict` */
  delete(trustDomain: TrustDomain, mode: BundleDeleteMode, by: Actor): Promise<BundleDeletion>
  /** In the order of their trust domains. */
  list(page: Page): Promise<PageOf<FederatedBundle>>
}
