import type { FederatedBundle__Output } from '../../proto/generated/mayfly/v1/FederatedBundle.ts'
import { concatBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { parseTrustDomain, trustDomainId } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import { Notifier } from '../notifier.ts'

/** The authorities of another trust domain, as they are handed out. */
export interface ForeignBundle {
  readonly trustDomain: TrustDomain
  /** Of the trust domain: the key in the answers of the Workload API (WX-05). */
  readonly spiffeId: string
  readonly x509Authorities: readonly Uint8Array[]
  /** DER, one after another. The same object until the bytes are others. */
  readonly concatenated: Buffer
}

/** What names other trust domains: an entry. */
interface Naming {
  readonly federatesWith: readonly string[]
}

/** In one answer: a client takes 4 MB, and the SVIDs come first. */
const maxHandedOutBytes = 2_000_000

/** Bundles of the trust domains that entries of this agent federate with, as the server pushes them. */
export class Federation {
  readonly #log: Logger
  #byName: ReadonlyMap<string, ForeignBundle> = new Map()
  #saidOfTooMany = ''
  #set: { readonly own: BundleSet; readonly of: unknown; readonly all: BundleSet } | undefined
  /** Names of those that came, went or are others now. */
  readonly changed: Notifier<ReadonlySet<string>> = new Notifier()

  constructor(log: Logger) {
    this.#log = log
  }

  /** All that there are. */
  replace(wires: readonly FederatedBundle__Output[]): void {
    const next = new Map<string, ForeignBundle>()
    for (const wire of wires) this.#put(next, wire)
    this.#take(next)
  }

  /** One came, is another, or is gone. */
  apply(wire: FederatedBundle__Output): void {
    const next = new Map(this.#byName)
    this.#put(next, wire)
    this.#take(next)
  }

  get all(): readonly ForeignBundle[] {
    return [...this.#byName.values()].sort(byName)
  }

  /** DER; the same array until it is another. Empty of one that is not here. */
  authoritiesOf(trustDomain: TrustDomain): readonly Uint8Array[] {
    return this.#byName.get(trustDomain)?.x509Authorities ?? noAuthorities
  }

  /** Those that any of these entries names, by name: what one answer to a workload holds. */
  namedBy(entries: readonly Naming[]): readonly ForeignBundle[] {
    const names = namesIn(entries)
    if (names.size === 0) return none
    return this.#fitting([...names].flatMap((name) => this.#byName.get(name) ?? []).sort(byName))
  }

  /** A set with the own trust domain's and every one of these. */
  with(own: BundleSet): BundleSet {
    if (this.#byName.size === 0) return own
    if (this.#set?.own !== own || this.#set.of !== this.#byName) {
      let all = own
      for (const { trustDomain, x509Authorities } of this.#byName.values()) all = all.with({ trustDomain, x509Authorities })
      this.#set = { own, of: this.#byName, all }
    }
    return this.#set.all
  }

  #put(into: Map<string, ForeignBundle>, { trustDomain: name, bundle }: FederatedBundle__Output): void {
    if (bundle === null || bundle === undefined) {
      into.delete(name)
      return
    }
    try {
      const trustDomain = parseTrustDomain(name)
      const x509Authorities = bundle.x509Authorities.map(({ asn1 }) => asn1)
      BundleSet.of({ trustDomain, x509Authorities })
      const concatenated = Buffer.from(concatBytes(...x509Authorities))
      const before = this.#byName.get(name)
      into.set(name, before?.concatenated.equals(concatenated) === true ? before : { trustDomain, spiffeId: trustDomainId(trustDomain), x509Authorities, concatenated })
    } catch (error) {
      if (!(error instanceof MayflyError)) throw error
      into.delete(name) // the server looks at what it takes: this is of another version, which knows more
      this.#log.warn({ event: 'federation.refused', trustDomain: name, code: error.code, cause: error.message }, 'the bundle of another trust domain cannot be used')
    }
  }

  #take(next: ReadonlyMap<string, ForeignBundle>): void {
    const before = this.#byName
    const changed = new Set([...before.keys(), ...next.keys()].filter((name) => before.get(name) !== next.get(name)))
    if (changed.size === 0) return
    this.#byName = next
    this.#log.info({ event: 'federation.changed', trustDomains: [...changed].slice(0, 100), known: next.size }, 'bundles of other trust domains have changed')
    this.changed.emit(changed)
  }

  /** What does not fit one answer is left out, from the end. */
  #fitting(bundles: readonly ForeignBundle[]): readonly ForeignBundle[] {
    let bytes = 0
    const fit = bundles.filter(({ concatenated }) => (bytes += concatenated.length) <= maxHandedOutBytes)
    if (fit.length === bundles.length) return bundles
    const left = bundles.slice(fit.length).map(({ trustDomain }) => trustDomain)
    if (left.join() !== this.#saidOfTooMany) this.#log.warn({ event: 'federation.too_long', trustDomains: left, bytes }, 'the bundles of other trust domains do not fit one answer: the last are left out')
    this.#saidOfTooMany = left.join()
    return fit
  }
}

/** Names of the trust domains that these entries federate with. */
export function namesIn(entries: readonly Naming[]): ReadonlySet<string> {
  return new Set(entries.flatMap(({ federatesWith }) => federatesWith))
}

const none: readonly ForeignBundle[] = []
const noAuthorities: readonly Uint8Array[] = []

function byName(left: ForeignBundle, right: ForeignBundle): number {
  return left.trustDomain < right.trustDomain ? -1 : 1
}
