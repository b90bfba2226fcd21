import { isPublished, type AuthorityFacts } from '../../src/core/authority.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import type { SigningKey } from '../../src/x509/signing-key.ts'
import type { Authority, AuthorityStore } from '../store/port.ts'
import type { ActiveAuthority, KeyedAuthority } from './active-authority.ts'
import type { KeyStore } from './key-store.ts'
import { isSameUpstream, type Upstream } from './upstream/upstream.ts'

export interface KnownAuthoritiesConfig {
  readonly trustDomain: TrustDomain
  /** What consumers of the bundle are told: how often to ask again. */
  readonly refreshHintSeconds: number
}

export interface KnownAuthoritiesDeps {
  readonly store: Pick<AuthorityStore, 'all' | 'bundleSequence'>
  readonly keys: KeyStore
  readonly log: Logger
}

/** The authorities as store and key store have them, and what follows: who signs, what the bundle holds. Each is parsed once. */
export class KnownAuthorities {
  readonly #config: KnownAuthoritiesConfig
  readonly #deps: KnownAuthoritiesDeps
  readonly #keys = new Map<string, SigningKey>()
  readonly #certificates = new Map<string, Certificate>()
  #all: readonly Authority[] = []
  #bundle: TrustBundle
  #active: ActiveAuthority | undefined

  constructor(config: KnownAuthoritiesConfig, deps: KnownAuthoritiesDeps) {
    this.#config = config
    this.#deps = deps
    this.#bundle = { trustDomain: config.trustDomain, x509Authorities: [], sequence: 0n, refreshHintSeconds: config.refreshHintSeconds }
  }

  get all(): readonly Authority[] {
    return this.#all
  }

  /** The same object until it changes. */
  get bundle(): TrustBundle {
    return this.#bundle
  }

  get active(): ActiveAuthority | undefined {
    return this.#active
  }

  hasKey(id: string): boolean {
    return this.#keys.has(id)
  }

  /** @throws {MayflyError} NOT_FOUND */
  byId(id: string): Authority {
    const found = this.#all.find((authority) => authority.id === id)
    if (found === undefined) throw new MayflyError('NOT_FOUND', 'no such authority')
    return found
  }

  /** A key that was made just now: it need not be loaded. */
  keep(id: string, key: SigningKey): void {
    this.#keys.set(id, key)
  }

  /** Those that are not revoked and whose keys are here. */
  signers(): readonly KeyedAuthority[] {
    return this.#all.flatMap(({ id, state, certificate }) => {
      const key = this.#keys.get(id)
      return key === undefined || !isPublished(state) ? [] : [{ id, certificate: this.parsed(id, certificate), key }]
    })
  }

  parsed(id: string, der: Uint8Array): Certificate {
    const known = this.#certificates.get(id)
    if (known !== undefined) return known
    const parsed = parseCertificate(der)
    this.#certificates.set(id, parsed)
    return parsed
  }

  /**
   * What the rotation is told. One whose key is gone (a key store in memory, a file lost) can sign as little as an old one; so can one that was prepared below another upstream
   * than the present. An active one below another is to be replaced, whatever its age. @param upstream undefined: there is none
   */
  facts(upstream: Upstream | undefined): readonly AuthorityFacts[] {
    return this.#all.map(({ id, state, notBeforeMs, notAfterMs, preparedAtMs, upstream: below }) => {
      const isOfNow = isSameUpstream(below, upstream)
      const usable = (this.#keys.has(id) && (isOfNow || state === 'active')) || (state !== 'active' && state !== 'prepared')
      return { id, state: usable ? state : 'old', notBeforeMs, notAfterMs, preparedAtMs, ...(isOfNow ? {} : { replaced: true }) }
    })
  }

  /** Reads store and key store anew. @throws {MayflyError} KEY_STORE_UNAVAILABLE, CERTIFICATE_INVALID for a damaged key */
  async reload(): Promise<void> {
    const { store, keys, log } = this.#deps
    const [all, sequence] = [await store.all(), await store.bundleSequence()]
    for (const { id, keyName, state } of all) {
      if (this.#keys.has(id) || state === 'revoked') continue
      const key = await keys.load(keyName)
      if (key !== undefined && authorityIdOf(key.spki) === id) this.#keys.set(id, key)
      else if (state === 'active' || state === 'prepared') log.warn({ event: 'authority.key_missing', authority: id }, 'the key of an authority is gone, another takes its place')
    }
    const usable = new Set(all.filter(({ state }) => state !== 'revoked').map(({ id }) => id))
    for (const known of [this.#keys, this.#certificates]) for (const id of known.keys()) if (!usable.has(id)) known.delete(id)
    this.#all = all
    this.#bundle = { trustDomain: this.#config.trustDomain, x509Authorities: published(all), sequence: BigInt(sequence), refreshHintSeconds: this.#config.refreshHintSeconds }
    this.#active = this.#activeOf(all)
  }

  #activeOf(all: readonly Authority[]): ActiveAuthority | undefined {
    const active = all.find(({ state }) => state === 'active')
    const key = active === undefined ? undefined : this.#keys.get(active.id)
    if (active === undefined || key === undefined) return undefined
    if (this.#active?.id === active.id) return this.#active
    return { id: active.id, certificate: parseCertificate(active.certificate), chain: chainOf(active), roots: active.upstream?.roots ?? [], key }
  }
}

/** What goes with a leaf of this authority up to the bundle: itself and what stands above, or nothing when it is in the bundle. */
export function chainOf({ certificate, upstream }: Authority): readonly Uint8Array[] {
  return upstream === undefined ? [] : [certificate, ...upstream.chain]
}

/** Self-signed authorities, and the roots of the others, each once. */
function published(all: readonly Authority[]): readonly Uint8Array[] {
  const found: Uint8Array[] = []
  for (const { state, certificate, upstream } of all) {
    if (!isPublished(state)) continue
    for (const der of upstream?.roots ?? [certificate]) if (!found.some((other) => equalBytes(other, der))) found.push(der)
  }
  return found
}
