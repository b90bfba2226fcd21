import { isPublished, moveAuthority, nextRotationStep, type AuthorityFacts, type RotationStep } from '../../src/core/authority.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { equalBytes, toHex } from '../../src/core/bytes.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import type { CertificateSpec } from '../../src/x509/certificate-spec.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'
import type { Actor, Authority, AuthorityStore, EndResult } from '../store/port.ts'
import { selfSigned, voucherFor, type CertifyAuthorityDeps } from './certify-authority.ts'
import type { KeyStore } from './key-store.ts'
import type { Profiles } from './profiles.ts'

export interface AuthoritiesConfig {
  readonly trustDomain: TrustDomain
  /** Life of an authority; down to seconds, at most the profile's. */
  readonly lifeMs: number
  /** What consumers of the bundle are told: how often to ask again. */
  readonly refreshHintSeconds: number
}

export interface AuthoritiesDeps {
  readonly profiles: Profiles
  readonly store: AuthorityStore
  readonly keys: KeyStore
  readonly clock: Clock
  readonly random: Random
  /** Builds and signs certificates, slowly: `SlowPath`. */
  readonly slowPath: { certify(spec: CertificateSpec, signer: PrivateKey): Promise<Uint8Array> }
  readonly log: Logger
  /** Whether every connected agent has acknowledged a bundle with this authority. Call {@link AuthoritySet.reconsider} when the answer may have changed. */
  readonly acknowledged: (authorityId: string) => boolean
}

/** The authority that signs now. */
export interface ActiveAuthority {
  /** SHA-256 of its public key, hexadecimal. */
  readonly id: string
  readonly certificate: Certificate
  readonly key: PrivateKey
}

export interface AuthorityEndOptions {
  /** Also when it is the active one: another takes its place at once, before agents know it. */
  readonly replaceActive?: boolean
  /** Only says what it would hit. */
  readonly dryRun?: boolean
  readonly reason?: string
}

/** A certificate for an authority's key by another. */
interface Voucher {
  readonly by: string
  readonly der: Uint8Array
}

const unvouchedText = 'no older authority could vouch for the active one: an agent that was away when the bundle changed must join anew'
/** Chains have at most eight certificates. */
const mostVouchers = 3
const system = 'system'
const retryMs = 1_000
const longestSleepMs = 60_000

/**
 * The signing authorities of the trust domain, which follow one another by themselves: prepared at half life, activated once known, retired,
 * dropped once over. All state is in the store; keys are in the key store.
 */
export class AuthoritySet implements AsyncDisposable {
  readonly #config: AuthoritiesConfig
  readonly #deps: AuthoritiesDeps
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  readonly #keys = new Map<string, PrivateKey>()
  readonly #certificates = new Map<string, Certificate>()
  #all: readonly Authority[] = []
  #vouchers: readonly Voucher[] = []
  #shownVouchers: readonly Uint8Array[] = []
  #bundle: TrustBundle
  #active: ActiveAuthority | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #wake = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  private constructor(config: AuthoritiesConfig, deps: AuthoritiesDeps) {
    this.#config = config
    this.#deps = deps
    this.#bundle = { trustDomain: config.trustDomain, x509Authorities: [], sequence: 0n, refreshHintSeconds: config.refreshHintSeconds }
  }

  /** Reads the authorities and carries out what is due: afterwards one is active. @throws {MayflyError} CONFIG_INVALID, STORE_UNWRITABLE */
  static async start(config: AuthoritiesConfig, deps: AuthoritiesDeps): Promise<AuthoritySet> {
    const { maxTtlMs } = deps.profiles.authority
    if (!(config.lifeMs >= 2_000 && config.lifeMs <= maxTtlMs)) throw new MayflyError('CONFIG_INVALID', `an authority lives from 2 s to ${maxTtlMs} ms`)
    const set = new AuthoritySet(config, deps)
    await set.#reload()
    await set.#dropKeysOfRestored()
    await set.#settleAtStart()
    set.#loop = set.#run()
    void set.#inTurn(async () => set.#vouchAgain()).catch((error: unknown) => deps.log.warn({ event: 'authority.unvouched', error }, unvouchedText)) // beside the rest of the start
    return set
  }

  /** @throws {MayflyError} NO_ACTIVE_AUTHORITY */
  active(): ActiveAuthority {
    if (this.#active === undefined) throw new MayflyError('NO_ACTIVE_AUTHORITY', 'no authority can sign now')
    return this.#active
  }

  /** What is published: every authority that is not revoked. The same object until it changes. */
  bundle(): TrustBundle {
    return this.#bundle
  }

  all(): readonly Authority[] {
    return this.#all
  }

  /** Those of the bundle whose keys are here: what can sign a list of revoked certificates. */
  signers(): readonly ActiveAuthority[] {
    return this.#all.flatMap(({ id, state, certificate }) => {
      const key = this.#keys.get(id)
      return key === undefined || !isPublished(state) ? [] : [{ id, certificate: this.#parsed(id, certificate), key }]
    })
  }

  /**
   * Certificates for the active authority's key by those before it, DER: shown beside what it signs, they let a peer in that was away when the bundle changed and knows only
   * the old one. None by an authority that was revoked or is gone. The same array until it changes.
   */
  vouchers(): readonly Uint8Array[] {
    const published = new Set(this.#all.filter(({ state }) => isPublished(state)).map(({ id }) => id))
    const own = this.#vouchers.filter(({ by }) => published.has(by)).map(({ der }) => der)
    const shown = [...own, ...this.#restoreVouchers()]
    if (shown.length !== this.#shownVouchers.length || shown.some((der, at) => !equalBytes(der, this.#shownVouchers[at] ?? new Uint8Array(0)))) this.#shownVouchers = shown
    return this.#shownVouchers
  }

  /** Of authorities that a restore ended: their keys are gone. */
  #restoreVouchers(): readonly Uint8Array[] {
    return this.#all.find(({ state }) => state === 'active')?.vouchers ?? []
  }

  /** Called after every change of an authority's state. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  /** Looks now whether something is due, as when an agent has acknowledged a bundle. */
  reconsider(): void {
    this.#wake.abort()
  }

  /** Prepares one more, out of turn. */
  async prepare(by: Actor): Promise<Authority> {
    return this.#inTurn(async () => this.#prepare(by))
  }

  /** Unless `force`, only once every agent has acknowledged it. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE */
  async activate(id: string, by: Actor, { force = true }: { readonly force?: boolean } = {}): Promise<void> {
    await this.#inTurn(async () => {
      moveAuthority(this.#byId(id).state, 'activate')
      if (!force && !this.#deps.acknowledged(id)) {
        throw new MayflyError('AUTHORITY_STATE', 'not every agent has acknowledged this authority yet', { hint: 'what it signs would be refused there: wait a moment, or say --force' })
      }
      await this.#activate(id, by)
    })
  }

  /** Taints it: what it signed is replaced. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE also for the active one, unless told to replace it at once */
  async taint(id: string, by: Actor, options: AuthorityEndOptions = {}): Promise<EndResult> {
    return this.#inTurn(async () => {
      this.#checkEnd(id, 'taint', options)
      const result = await this.#deps.store.revoke(id, by, { dryRun: true })
      if (options.dryRun === true) return result
      await this.#deps.store.taint(id, by, options.reason)
      await this.#reload()
      await this.#settle()
      this.#deps.log.warn({ event: 'authority.tainted', authority: id, by: by.name, reason: options.reason ?? '', credentials: result.hits.credentials }, 'authority tainted')
      return result
    })
  }

  /** Out of the bundle, for good, and its key is destroyed. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE as {@link taint}, EXPECTATION_FAILED */
  async revoke(id: string, by: Actor, options: AuthorityEndOptions & { readonly expect?: number } = {}): Promise<EndResult> {
    return this.#inTurn(async () => {
      const authority = this.#checkEnd(id, 'revoke', options)
      const { dryRun = false, expect, reason = '' } = options
      const result = await this.#deps.store.revoke(id, by, { dryRun, reason, ...(expect === undefined ? {} : { expect }) })
      if (dryRun) return result
      this.#deps.log.warn({ event: 'authority.revoked', authority: id, by: by.name, reason, credentials: result.hits.credentials, streamSeq: result.streamSeq }, 'authority revoked')
      await this.#deps.keys.remove(authority.keyName)
      await this.#reload()
      await this.#settle()
      return result
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    await this.#loop
    await this.#queue.catch(() => undefined) // its caller was told
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps
    for (;;) {
      this.#wake = new AbortController()
      let sleepMs = retryMs
      try {
        sleepMs = (await this.#inTurn(async () => this.#settle())) - clock.nowMs()
      } catch (error) {
        log.error({ event: 'authority.rotation_failed', error }, 'an authority could not be rotated, trying again')
      }
      if (this.#stop.signal.aborted) return
      await clock.sleep(Math.min(Math.max(sleepMs, 1), longestSleepMs), AbortSignal.any([this.#stop.signal, this.#wake.signal])).catch(() => undefined) // woken
      if (this.#stop.signal.aborted) return
    }
  }

  /** A server that is rolled back starts with the authority that it has, though another is due: somebody must be told. */
  async #settleAtStart(): Promise<void> {
    try {
      await this.#settle()
    } catch (error) {
      if (!(error instanceof MayflyError && error.code === 'SERVER_ROLLED_BACK') || this.#active === undefined) throw error
    }
  }

  /** Carries out what is due. Returns when to look again. */
  async #settle(): Promise<number> {
    for (;;) {
      const step = this.#nextStep()
      if (step.kind === 'wait') return step.untilMs
      await this.#carryOut(step)
    }
  }

  #nextStep(): RotationStep {
    return nextRotationStep(this.#all.map((authority) => this.#factsOf(authority)), this.#deps.clock.nowMs(), {
      lifeMs: this.#config.lifeMs,
      acknowledged: this.#deps.acknowledged,
    })
  }

  /** One whose key is gone (a key store in memory, a file lost) can sign as little as an old one. */
  #factsOf({ id, state, notBeforeMs, notAfterMs, preparedAtMs }: Authority): AuthorityFacts {
    const usable = this.#keys.has(id) || (state !== 'active' && state !== 'prepared')
    return { id, state: usable ? state : 'old', notBeforeMs, notAfterMs, preparedAtMs }
  }

  async #carryOut(step: Exclude<RotationStep, { kind: 'wait' }>): Promise<void> {
    const by: Actor = { name: system, atMs: this.#deps.clock.nowMs() }
    switch (step.kind) {
      case 'prepare':
        await this.#prepare(by)
        break
      case 'activate':
        await this.#activate(step.id, by)
        break
      case 'remove': {
        const { keyName } = this.#byId(step.id)
        await this.#deps.store.remove(step.id, by)
        await this.#deps.keys.remove(keyName)
        await this.#reload()
        this.#deps.log.info({ event: 'authority.removed', authority: step.id }, 'authority is over')
        break
      }
      default:
        step satisfies never
    }
  }

  async #prepare(by: Actor): Promise<Authority> {
    const { clock, random, keys, store, log } = this.#deps
    const nowMs = clock.nowMs()
    const keyName = `authority-${toHex(random.bytes(8))}`
    const key = await keys.create(keyName)
    const id = authorityIdOf(key.spki)
    try {
      const certified = await selfSigned(key, nowMs, this.#config.lifeMs, this.#certifying)
      await store.prepare({ id, keyName, ...certified, preparedAtMs: nowMs }, by)
    } catch (error) {
      await keys.remove(keyName) // each attempt makes a key: none of them is left behind
      throw error
    }
    this.#keys.set(id, key)
    await this.#reload()
    const prepared = this.#byId(id)
    log.info({ event: 'authority.prepared', authority: id, notAfterMs: prepared.notAfterMs }, 'authority prepared')
    return prepared
  }

  /** That it may end now: whether its state allows it, and that it is not the one that signs. */
  #checkEnd(id: string, move: 'taint' | 'revoke', { replaceActive = false }: AuthorityEndOptions): Authority {
    const authority = this.#byId(id)
    moveAuthority(authority.state, move)
    if (authority.state !== 'active' || replaceActive) return authority
    throw new MayflyError('AUTHORITY_STATE', 'this authority is the active one', {
      hint: 'activate another first: mayfly authority prepare, then mayfly authority activate; or say --replace-active',
    })
  }

  async #activate(id: string, by: Actor): Promise<void> {
    if (!this.#keys.has(id)) throw new MayflyError('AUTHORITY_STATE', 'the key of this authority is not here')
    const vouchers = await this.#vouchersFor(id)
    await this.#deps.store.activate(id, by)
    this.#vouchers = vouchers
    await this.#reload()
    this.#deps.log.info({ event: 'authority.activated', authority: id }, 'authority activated')
  }

  /** After a start, when the vouchers of the run before are gone. */
  async #vouchAgain(): Promise<void> {
    if (this.#active === undefined || this.#vouchers.length > 0) return
    this.#vouchers = await this.#vouchersFor(this.#active.id)
    if (this.#vouchers.length > 0) for (const listener of this.#listeners) listener()
  }

  /** Certificates for its key by those that came before it. That one cannot be made is no reason not to go on. */
  async #vouchersFor(id: string): Promise<readonly Voucher[]> {
    const { clock, log } = this.#deps
    const authority = this.#byId(id)
    const { spki } = parseCertificate(authority.certificate)
    const before = this.signers().filter((other) => other.id !== id && this.#byId(other.id).state !== 'prepared')
    try {
      return await Promise.all(
        before.slice(-mostVouchers).map(async (other) => {
          return { by: other.id, der: await voucherFor(spki, authority.notAfterMs, other, clock.nowMs(), this.#certifying) }
        }),
      )
    } catch (error) {
      log.warn({ event: 'authority.unvouched', error }, unvouchedText)
      return []
    }
  }

  get #certifying(): CertifyAuthorityDeps {
    return { ...this.#deps, trustDomain: this.#config.trustDomain }
  }

  /** Where the restore was killed before it could. */
  async #dropKeysOfRestored(): Promise<void> {
    for (const { keyName, endedByRestore } of this.#all) if (endedByRestore !== undefined) await this.#deps.keys.remove(keyName)
  }

  async #reload(): Promise<void> {
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
    const published = all.filter(({ state }) => isPublished(state)).map(({ certificate }) => certificate)
    this.#bundle = { trustDomain: this.#config.trustDomain, x509Authorities: published, sequence: BigInt(sequence), refreshHintSeconds: this.#config.refreshHintSeconds }
    this.#active = this.#activeOf(all)
    for (const listener of this.#listeners) listener()
  }

  #activeOf(all: readonly Authority[]): ActiveAuthority | undefined {
    const active = all.find(({ state }) => state === 'active')
    const key = active === undefined ? undefined : this.#keys.get(active.id)
    if (active === undefined || key === undefined) return undefined
    return this.#active?.id === active.id ? this.#active : { id: active.id, certificate: parseCertificate(active.certificate), key }
  }

  #parsed(id: string, der: Uint8Array): Certificate {
    const known = this.#certificates.get(id)
    if (known !== undefined) return known
    const parsed = parseCertificate(der)
    this.#certificates.set(id, parsed)
    return parsed
  }

  #byId(id: string): Authority {
    const found = this.#all.find((authority) => authority.id === id)
    if (found === undefined) throw new MayflyError('NOT_FOUND', 'no such authority')
    return found
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work, work)
    this.#queue = turn.catch(() => undefined) // the caller has it
    return turn
  }
}
