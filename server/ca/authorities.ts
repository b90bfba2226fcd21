import { moveAuthority, nextRotationStep, type RotationStep } from '../../src/core/authority.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import type { Actor, Authority, EndResult } from '../store/port.ts'
import type { ActiveAuthority, KeyedAuthority } from './active-authority.ts'
import { AuthorityMoves, type AuthorityEndOptions, type AuthorityMovesConfig, type AuthorityMovesDeps } from './authority-moves.ts'
import { KnownAuthorities, type KnownAuthoritiesConfig } from './known-authorities.ts'
import { endUpstream, type UpstreamEnd } from './upstream/ending.ts'
import { isSameUpstream, type Upstream, type UpstreamSource } from './upstream/upstream.ts'
import { UpstreamWatch } from './upstream/watch.ts'
import { unvouchedText, Vouchers } from './vouchers.ts'

export interface AuthoritiesConfig extends KnownAuthoritiesConfig, AuthorityMovesConfig {}

export interface AuthoritiesDeps extends Omit<AuthorityMovesDeps, 'known' | 'vouchers' | 'upstream' | 'moved'> {
  /** What signs the authorities; `undefined`: each signs itself. */
  readonly upstream?: UpstreamSource | undefined
  /** Whether every connected agent has acknowledged a bundle with this authority. Call {@link AuthoritySet.reconsider} when the answer may have changed. */
  readonly acknowledged: (authorityId: string) => boolean
}

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
  readonly #known: KnownAuthorities
  readonly #vouchers: Vouchers
  readonly #upstream: UpstreamWatch
  readonly #moves: AuthorityMoves
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  #queue: Promise<unknown> = Promise.resolve()
  #wake = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  private constructor(config: AuthoritiesConfig, deps: AuthoritiesDeps) {
    this.#config = config
    this.#deps = deps
    this.#known = new KnownAuthorities(config, deps)
    this.#upstream = new UpstreamWatch(deps.upstream, deps)
    this.#vouchers = new Vouchers(this.#known, { ...deps, trustDomain: config.trustDomain })
    this.#moves = new AuthorityMoves(config, { ...deps, known: this.#known, vouchers: this.#vouchers, upstream: this.#upstream, moved: async () => await this.#reload() })
  }

  /** Reads the authorities and carries out what is due: afterwards one is active. @throws {MayflyError} CONFIG_INVALID, STORE_UNWRITABLE, UPSTREAM_INVALID, KEY_STORE_UNAVAILABLE, KEY_STORE_REFUSED */
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
    const { active } = this.#known
    if (active === undefined) throw new MayflyError('NO_ACTIVE_AUTHORITY', 'no authority can sign now')
    return active
  }

  /** What is published: every authority that is not revoked, or the roots above it. The same object until it changes. */
  bundle(): TrustBundle {
    return this.#known.bundle
  }

  all(): readonly Authority[] {
    return this.#known.all
  }

  /** Those that are not revoked and whose keys are here: what can sign a list of revoked certificates. */
  signers(): readonly KeyedAuthority[] {
    return this.#known.signers()
  }

  /** What signs the authorities, as it was when it was last looked at; `undefined`: each signs itself. */
  upstream(): Upstream | undefined {
    return this.#upstream.current
  }

  /**
   * Certificates for the active authority's key by those before it, DER: shown beside what it signs, they let a peer in that was away when the bundle changed and knows only
   * the old one. The same array until it changes.
   */
  vouchers(): readonly Uint8Array[] {
    return this.#vouchers.shown()
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

  /** The same, with another look at the upstream authority. */
  reconsiderUpstream(): void {
    this.#upstream.mayHaveChanged()
    this.reconsider()
  }

  /** Looks at the upstream authority now: whether it is another than at the look before, or why its files cannot be used. What follows from that, follows {@link reconsider}. */
  async lookAtUpstream(): Promise<{ readonly changed: boolean; readonly problem: string | undefined }> {
    return await this.#inTurn(async () => {
      const before = this.#upstream.current
      this.#upstream.mayHaveChanged()
      await this.#upstream.look()
      const { current, problem } = this.#upstream
      return { changed: before !== undefined && current !== undefined && !isSameUpstream(before, current), problem }
    })
  }

  /** As of the last look. */
  upstreamProblem(): string | undefined {
    return this.#upstream.problem
  }

  /** Prepares one more, out of turn. */
  async prepare(by: Actor): Promise<Authority> {
    return this.#inTurn(async () => {
      this.#upstream.mayHaveChanged()
      await this.#upstream.look()
      return await this.#moves.prepare(by)
    })
  }

  /** Unless `force`, only once every agent has acknowledged it. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE */
  async activate(id: string, by: Actor, { force = true }: { readonly force?: boolean } = {}): Promise<void> {
    await this.#inTurn(async () => {
      moveAuthority(this.#known.byId(id).state, 'activate')
      if (!force && !this.#deps.acknowledged(id)) {
        throw new MayflyError('AUTHORITY_STATE', 'not every agent has acknowledged this authority yet', { hint: 'what it signs would be refused there: wait a moment, or say --force' })
      }
      await this.#moves.activate(id, by)
    })
  }

  /** Taints it: what it signed is replaced. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE also for the active one, unless told to replace it at once */
  async taint(id: string, by: Actor, options: AuthorityEndOptions = {}): Promise<EndResult> {
    return this.#inTurn(async () => this.#taint(id, by, options))
  }

  /** Out of the bundle, for good, and its key is destroyed. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE as {@link taint}, EXPECTATION_FAILED */
  async revoke(id: string, by: Actor, options: AuthorityEndOptions & { readonly expect?: number } = {}): Promise<EndResult> {
    return this.#inTurn(async () => this.#revoke(id, by, options))
  }

  /**
   * Taints every authority below an upstream one, which is named by its subject key identifier (hexadecimal): what they signed is replaced.
   * @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE when the active one is below it: exchange the upstream authority first
   */
  async taintUpstream(subjectKeyId: string, by: Actor, options: Pick<AuthorityEndOptions, 'reason'> = {}): Promise<UpstreamEnd> {
    return this.#inTurn(async () => endUpstream(this.#known.all, subjectKeyId, ['prepared', 'old'], async (id) => this.#taint(id, by, options)))
  }

  /** Revokes every authority below an upstream one, so that it leaves the bundle: each must be tainted. @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE */
  async revokeUpstream(subjectKeyId: string, by: Actor, options: Pick<AuthorityEndOptions, 'reason'> = {}): Promise<UpstreamEnd> {
    return this.#inTurn(async () => endUpstream(this.#known.all, subjectKeyId, ['tainted'], async (id) => this.#revoke(id, by, options)))
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
        if (error instanceof MayflyError && error.code === 'UPSTREAM_INVALID') sleepMs = longestSleepMs // somebody must mend it
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
      if (!(error instanceof MayflyError && error.code === 'SERVER_ROLLED_BACK') || this.#known.active === undefined) throw error
    }
  }

  /** Carries out what is due. Returns when to look again. */
  async #settle(): Promise<number> {
    await this.#upstream.look()
    for (;;) {
      const step = this.#nextStep()
      if (step.kind === 'wait') return step.untilMs
      await this.#carryOut(step)
    }
  }

  #nextStep(): RotationStep {
    const { clock, acknowledged } = this.#deps
    return nextRotationStep(this.#known.facts(this.#upstream.current), clock.nowMs(), { lifeMs: this.#config.lifeMs, acknowledged })
  }

  async #carryOut(step: Exclude<RotationStep, { kind: 'wait' }>): Promise<void> {
    const by: Actor = { name: system, atMs: this.#deps.clock.nowMs() }
    switch (step.kind) {
      case 'prepare':
        if (this.#known.active !== undefined && !step.replaces) this.#upstream.checkOutlasts(this.#known.active)
        await this.#moves.prepare(by)
        break
      case 'activate':
        await this.#moves.activate(step.id, by)
        break
      case 'remove':
        await this.#moves.remove(step.id, by)
        break
      default:
        step satisfies never
    }
  }

  async #taint(id: string, by: Actor, options: AuthorityEndOptions): Promise<EndResult> {
    const result = await this.#moves.taint(id, by, options)
    if (options.dryRun !== true) await this.#settle()
    return result
  }

  async #revoke(id: string, by: Actor, options: AuthorityEndOptions & { readonly expect?: number }): Promise<EndResult> {
    const result = await this.#moves.revoke(id, by, options)
    if (options.dryRun !== true) await this.#settle()
    return result
  }

  /** After a start, when the vouchers of the run before are gone. */
  async #vouchAgain(): Promise<void> {
    const { active } = this.#known
    if (active === undefined || this.#vouchers.areMade) return
    this.#vouchers.use(await this.#vouchers.make(active.id))
    if (this.#vouchers.areMade) this.#tell()
  }

  /** Where the restore was killed before it could. */
  async #dropKeysOfRestored(): Promise<void> {
    for (const { keyName, endedByRestore } of this.#known.all) if (endedByRestore !== undefined) await this.#deps.keys.remove(keyName)
  }

  async #reload(): Promise<void> {
    await this.#known.reload()
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work, work)
    this.#queue = turn.catch(() => undefined) // the caller has it
    return turn
  }
}
