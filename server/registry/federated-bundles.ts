import type { FederatedBundle } from '../../src/core/federated-bundle.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { bundleFromJournal } from '../journal/bundle-records.ts'
import type { Commit, Store } from '../store/port.ts'

const loadPageSize = 100

/** Bundles of other trust domains as the main thread knows them: loaded at the start, then following each commit before its caller hears of it. */
export class FederatedBundles implements Disposable {
  readonly #byName = new Map<string, FederatedBundle>()
  readonly #listeners = new Set<(trustDomain: TrustDomain) => void>()
  #following: Disposable | undefined

  static async start(store: Pick<Store, 'bundles' | 'journal'>): Promise<FederatedBundles> {
    const bundles = new FederatedBundles()
    let after: string | undefined
    do {
      const page = await store.bundles.list(after === undefined ? { size: loadPageSize } : { size: loadPageSize, after })
      for (const bundle of page.items) bundles.#byName.set(bundle.trustDomain, bundle)
      after = page.next
    } while (after !== undefined)
    bundles.#following = store.journal.onCommit((commit) => bundles.#follow(commit))
    return bundles
  }

  /** The same object until it is set anew. */
  byName(trustDomain: string): FederatedBundle | undefined {
    return this.#byName.get(trustDomain)
  }

  get size(): number {
    return this.#byName.size
  }

  /** Calls with the name of each that was set or deleted; must not throw. */
  onChange(listener: (trustDomain: TrustDomain) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]()
  }

  #follow({ records }: Commit): void {
    for (const { record } of records) {
      if (record.kind === 'bundle.set') this.#byName.set(record.bundle.trustDomain, bundleFromJournal(record.bundle))
      else if (record.kind === 'bundle.deleted') this.#byName.delete(record.trustDomain)
      else continue
      const trustDomain = record.kind === 'bundle.set' ? record.bundle.trustDomain : record.trustDomain
      for (const listener of this.#listeners) listener(trustDomain)
    }
  }
}
