import type { ServerMessage } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Entry } from '../../src/core/entry.ts'
import type { FederatedBundle } from '../../src/core/federated-bundle.ts'
import type { FederatedBundles } from '../registry/federated-bundles.ts'
import { federatedToWire } from './wire-bundle.ts'

/** What an agent uses of a bundle. */
const mask = { x509Authorities: true, jwtAuthorities: false, refreshHint: true, sequenceNumber: true, witAuthorities: false }

/** Which bundles of other trust domains one connected agent has, and which it is to have: those that its entries name. */
export class FederationFeed implements Disposable {
  readonly #source: Pick<FederatedBundles, 'byName' | 'onChange'>
  readonly #following: Disposable
  /** Of entries that name any. */
  readonly #namedBy = new Map<string, readonly string[]>()
  /** How many entries name each. */
  readonly #counts = new Map<string, number>()
  readonly #given = new Map<string, FederatedBundle>()
  readonly #touched = new Set<string>()

  /** @param onDirty called when there is something to tell that no entry brought about */
  constructor(source: Pick<FederatedBundles, 'byName' | 'onChange'>, onDirty: () => void) {
    this.#source = source
    this.#following = source.onChange((trustDomain) => {
      if (!this.#counts.has(trustDomain)) return
      this.#touched.add(trustDomain)
      onDirty()
    })
  }

  get isDirty(): boolean {
    return this.#touched.size > 0
  }

  /** These entries are about to be told, and those about to go. */
  note(upserted: readonly Pick<Entry, 'id' | 'federatesWith'>[], deletedIds: readonly string[]): void {
    for (const { id, federatesWith } of upserted) this.#name(id, federatesWith)
    for (const id of deletedIds) this.#name(id, [])
  }

  /** What is new or another, for before the entries are told. */
  *arrivals(): Generator<ServerMessage> {
    for (const trustDomain of this.#touched) {
      const bundle = this.#wanted(trustDomain)
      if (bundle === undefined) continue
      this.#touched.delete(trustDomain)
      if (this.#given.get(trustDomain) === bundle) continue
      this.#given.set(trustDomain, bundle)
      yield { federated: { trustDomain, bundle: federatedToWire(bundle, mask) } }
    }
  }

  /** What is gone, for after. */
  *departures(): Generator<ServerMessage> {
    for (const trustDomain of this.#touched) {
      if (this.#wanted(trustDomain) !== undefined) continue // set anew meanwhile: an arrival of the next round
      this.#touched.delete(trustDomain)
      if (this.#given.delete(trustDomain)) yield { federated: { trustDomain, bundle: null } }
    }
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]()
  }

  #wanted(trustDomain: string): FederatedBundle | undefined {
    return this.#counts.has(trustDomain) ? this.#source.byName(trustDomain) : undefined
  }

  #name(entryId: string, trustDomains: readonly string[]): void {
    const before = this.#namedBy.get(entryId) ?? []
    if (before.length === 0 && trustDomains.length === 0) return
    if (trustDomains.length === 0) this.#namedBy.delete(entryId)
    else this.#namedBy.set(entryId, trustDomains)
    for (const name of new Set(trustDomains)) this.#count(name, 1)
    for (const name of new Set(before)) this.#count(name, -1)
  }

  #count(trustDomain: string, by: 1 | -1): void {
    const count = (this.#counts.get(trustDomain) ?? 0) + by
    if (count === 0) this.#counts.delete(trustDomain)
    else this.#counts.set(trustDomain, count)
    if (count === 0 || count === by) this.#touched.add(trustDomain)
  }
}
