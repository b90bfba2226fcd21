import { moveAuthority } from '../../src/core/authority.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { KeyType } from '../../src/core/key-type.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import type { Actor, Authority, AuthorityStore, EndResult } from '../store/port.ts'
import { certifyAuthority, type CertifyAuthorityDeps } from './certify-authority.ts'
import type { KeyStore } from './key-store.ts'
import type { KnownAuthorities } from './known-authorities.ts'
import type { UpstreamWatch } from './upstream/watch.ts'
import type { Vouchers } from './vouchers.ts'

export interface AuthorityMovesConfig {
  readonly trustDomain: TrustDomain
  /** Life of an authority; down to seconds, at most the profile's. */
  readonly lifeMs: number
  /** Of the keys of authorities that are prepared from now on. */
  readonly keyType: KeyType
}

export interface AuthorityMovesDeps extends Omit<CertifyAuthorityDeps, 'trustDomain'> {
  readonly store: AuthorityStore
  readonly keys: KeyStore
  readonly clock: Clock
  readonly log: Logger
  readonly known: KnownAuthorities
  readonly vouchers: Vouchers
  readonly upstream: UpstreamWatch
  /** After each that changed something. */
  readonly moved: () => Promise<void>
}

export interface AuthorityEndOptions {
  /** Also when it is the active one: another takes its place at once, before agents know it. */
  readonly replaceActive?: boolean
  /** Only says what it would hit. */
  readonly dryRun?: boolean
  readonly reason?: string
}

/** From one state of an authority to the next: written down, and its key made or destroyed with it. Whoever calls sees to it that they come one after another. */
export class AuthorityMoves {
  readonly #config: AuthorityMovesConfig
  readonly #deps: AuthorityMovesDeps

  constructor(config: AuthorityMovesConfig, deps: AuthorityMovesDeps) {
    this.#config = config
    this.#deps = deps
  }

  async prepare(by: Actor): Promise<Authority> {
    const { clock, random, keys, store, log, known, upstream, moved } = this.#deps
    const { trustDomain, lifeMs, keyType } = this.#config
    const nowMs = clock.nowMs()
    const keyName = `authority-${toHex(random.bytes(8))}`
    const key = await keys.create(keyName, keyType)
    const id = authorityIdOf(key.spki)
    try {
      const certified = await certifyAuthority(key, nowMs, lifeMs, upstream.current, { ...this.#deps, trustDomain })
      await store.prepare({ id, keyName, ...certified, preparedAtMs: nowMs }, by)
    } catch (error) {
      await keys.remove(keyName) // each attempt makes a key: none of them is left behind
      throw error
    }
    known.keep(id, key)
    await moved()
    const prepared = known.byId(id)
    log.info({ event: 'authority.prepared', authority: id, notAfterMs: prepared.notAfterMs }, 'authority prepared')
    return prepared
  }

  /** @throws {MayflyError} AUTHORITY_STATE */
  async activate(id: string, by: Actor): Promise<void> {
    const { store, log, known, vouchers, moved } = this.#deps
    if (!known.hasKey(id)) throw new MayflyError('AUTHORITY_STATE', 'the key of this authority is not here')
    const made = await vouchers.make(id)
    await store.activate(id, by)
    vouchers.use(made)
    await moved()
    log.info({ event: 'authority.activated', authority: id }, 'authority activated')
  }

  /** @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE */
  async taint(id: string, by: Actor, options: AuthorityEndOptions): Promise<EndResult> {
    const { store, log, moved } = this.#deps
    this.#checkEnd(id, 'taint', options)
    const result = await store.revoke(id, by, { dryRun: true })
    if (options.dryRun === true) return result
    await store.taint(id, by, options.reason)
    await moved()
    log.warn({ event: 'authority.tainted', authority: id, by: by.name, reason: options.reason ?? '', credentials: result.hits.credentials }, 'authority tainted')
    return result
  }

  /** @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE, EXPECTATION_FAILED */
  async revoke(id: string, by: Actor, options: AuthorityEndOptions & { readonly expect?: number }): Promise<EndResult> {
    const { store, keys, log, moved } = this.#deps
    const { keyName } = this.#checkEnd(id, 'revoke', options)
    const { dryRun = false, expect, reason = '' } = options
    const result = await store.revoke(id, by, { dryRun, reason, ...(expect === undefined ? {} : { expect }) })
    if (dryRun) return result
    log.warn({ event: 'authority.revoked', authority: id, by: by.name, reason, credentials: result.hits.credentials, streamSeq: result.streamSeq }, 'authority revoked')
    await keys.remove(keyName)
    await moved()
    return result
  }

  /** One that is over. */
  async remove(id: string, by: Actor): Promise<void> {
    const { store, keys, log, known, moved } = this.#deps
    const { keyName } = known.byId(id)
    await store.remove(id, by)
    await keys.remove(keyName)
    await moved()
    log.info({ event: 'authority.removed', authority: id }, 'authority is over')
  }

  /** That it may end now: whether its state allows it, and that it is not the one that signs. */
  #checkEnd(id: string, move: 'taint' | 'revoke', { replaceActive = false }: AuthorityEndOptions): Authority {
    const authority = this.#deps.known.byId(id)
    moveAuthority(authority.state, move)
    if (authority.state !== 'active' || replaceActive) return authority
    throw new MayflyError('AUTHORITY_STATE', 'this authority is the active one', {
      hint: 'activate another first: mayfly authority prepare, then mayfly authority activate; or say --replace-active',
    })
  }
}
