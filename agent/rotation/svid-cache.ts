import { asMayflyError, MayflyError } from '../../src/core/errors.ts'
import type { Entry } from '../../src/core/entry.ts'
import type { KeyType } from '../../src/core/key-type.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { Notifier } from '../notifier.ts'
import { abortable } from '../abortable.ts'
import { heardWithin, Wake } from '../wake.ts'
import { momentOf } from './moment.ts'
import type { Moment } from './moment.ts'
import { backoffMs, halfLife } from './schedule.ts'
import { BatchSigner } from './signer.ts'
import type { SvidSigner } from './signer.ts'
import type { Standing } from './standing.ts'
import { SvidSlot } from './svid-slot.ts'
import { WorkloadSvid } from './workload-svid.ts'

export interface SvidCacheConfig {
  /** Most SVIDs kept; those in use and those to be prefetched are never pushed out. */
  readonly maxSvids: number
  /** Most requests in one call to the server. */
  readonly maxBatch: number
  /** Of the keys it makes; P-256 unless said otherwise. */
  readonly keyType?: KeyType
  /** Between attempts that fail. */
  readonly retry: { readonly leastMs: number; readonly mostMs: number }
  /** The wall clock is looked at no less often, so that a jump of it is seen. */
  readonly maxSleepMs: number
}

export interface SvidCacheDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly signer: SvidSigner
  /** What bundle and revocations say of an SVID now. */
  standing(svid: WorkloadSvid): Standing
  /** The keys of these serials are gone: they are to be revoked. */
  ended(serials: readonly Uint8Array[]): void
}

export type Readiness =
  | { readonly kind: 'ready' }
  /** There is no such entry. */
  | { readonly kind: 'unknown' }
  /** Not now; the cache goes on trying for what is in use. */
  | { readonly kind: 'failed'; readonly error: MayflyError; readonly refused: boolean }

export interface HeldSvid {
  readonly entryId: string
  readonly spiffeId: SpiffeId
  readonly serial: string
  readonly notAfterMs: number
  readonly rotatesAtMs: number
}

/**
 * One key and one SVID per entry, signed when first asked for and rotated while in use. What has expired, was ended, or belongs
 * to an entry that is gone is never given out, whatever the state of the server.
 */
export class SvidCache implements AsyncDisposable {
  readonly #config: SvidCacheConfig
  readonly #deps: SvidCacheDeps
  readonly #batch: BatchSigner
  readonly #slots = new Map<string, SvidSlot>()
  readonly #wake = new Wake()
  readonly #stop = new AbortController()
  #entries: ReadonlyMap<string, Entry> = new Map()
  #running: Promise<void> = Promise.resolve()

  /** The entry whose SVID is another now, or none any more. */
  readonly changed: Notifier<string> = new Notifier()

  private constructor(config: SvidCacheConfig, deps: SvidCacheDeps) {
    this.#config = config
    this.#deps = deps
    this.#batch = new BatchSigner(deps.signer, config.maxBatch)
  }

  static start(config: SvidCacheConfig, deps: SvidCacheDeps): SvidCache {
    const cache = new SvidCache(config, deps)
    cache.#running = cache.#run()
    return cache
  }

  /** From now on these are the entries. Keys of those that are gone are dropped; what changed is signed anew. */
  replaceEntries(entries: ReadonlyMap<string, Entry>): void {
    this.#entries = entries
    for (const [id, slot] of this.#slots) {
      const entry = entries.get(id)
      if (entry === undefined) {
        this.#slots.delete(id)
        if (slot.svid !== undefined) this.changed.emit(id)
      } else if (entry !== slot.entry) slot.follow(entry)
    }
    this.#wake.ring()
  }

  /** Resolves when there is an SVID of the entry to give out, or none can be had now. One attempt at signing, shared by all who ask. */
  async ready(entryId: string, signal: AbortSignal): Promise<Readiness> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const readiness = await this.#attempt(entryId, signal)
      if (readiness !== undefined) return readiness
    }
    return failed(new MayflyError('UNAVAILABLE', 'the SVID was dropped as often as it was signed'))
  }

  /** `undefined`: dropped meanwhile, because its last holder exited or the entry went. */
  async #attempt(entryId: string, signal: AbortSignal): Promise<Readiness | undefined> {
    const entry = this.#entries.get(entryId)
    if (entry === undefined) return { kind: 'unknown' }
    const slot = this.#slots.get(entryId) ?? this.#open(entry)
    if (slot === undefined) {
      const error = new MayflyError('LIMIT_EXCEEDED', `the agent holds ${this.#config.maxSvids} SVIDs in use`, { hint: 'raise maxSvids in the configuration of the agent' })
      return { kind: 'failed', error, refused: false }
    }
    const now = this.#now()
    slot.usedAtBootMs = now.bootMs
    if (slot.usable(now) !== undefined) return { kind: 'ready' }
    if (slot.signing === undefined && slot.failure !== undefined && now.bootMs < slot.retryAtBootMs) return failed(slot.failure)
    await abortable(this.#sign(slot), signal)
    if (this.#slots.get(entryId) !== slot) return undefined
    if (slot.usable(this.#now()) !== undefined) return { kind: 'ready' }
    return failed(slot.failure ?? new MayflyError('UNAVAILABLE', 'the SVID ended as soon as it was signed'))
  }

  /** What may be given out at this moment. */
  current(entryId: string): WorkloadSvid | undefined {
    return this.#slots.get(entryId)?.usable(this.#now())
  }

  /** Somebody has been given the key: it stays and is rotated until {@link lastExit}. */
  hold(entryId: string): void {
    const slot = this.#slots.get(entryId)
    if (slot === undefined || slot.held) return
    slot.held = true
    this.#wake.ring()
  }

  /** Nobody has the key any more: unless the entry keeps it, it is dropped and its live serials are reported. */
  lastExit(entryId: string): void {
    const slot = this.#slots.get(entryId)
    if (slot === undefined) return
    slot.held = false
    if (slot.entry.keepOnExit) return
    this.#drop(slot)
    if (slot.entry.prefetch) this.#wake.ring()
  }

  /** Bundle or revocations have changed. */
  recheck(): void {
    const now = this.#now()
    let due = false
    for (const slot of this.#slots.values()) {
      if (slot.svid === undefined) continue
      if (!slot.judge(this.#deps.standing(slot.svid))) continue
      due = true
      if (slot.standing === 'ended') {
        this.#deps.log.info({ event: 'svid.ended', entryId: slot.entry.id, serial: slot.svid.serialHex }, 'an SVID of this agent was ended')
        slot.forgetFailures()
        this.#withdraw(slot, now)
      }
    }
    if (due) this.#wake.ring()
  }

  /** The server can be reached again: what failed is tried at once. */
  resume(): void {
    for (const slot of this.#slots.values()) slot.retryAtBootMs = 0
    this.#wake.ring()
  }

  held(): readonly HeldSvid[] {
    return [...this.#slots.values()].flatMap(({ entry, svid, due }) =>
      svid === undefined ? [] : [{ entryId: entry.id, spiffeId: svid.spiffeId, serial: svid.serialHex, notAfterMs: svid.notAfterMs, rotatesAtMs: due?.atMs ?? svid.notAfterMs }],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    await Promise.all([...this.#slots.values()].flatMap(({ signing }) => signing ?? []))
    this.#slots.clear()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) await heardWithin(this.#wake, this.#sweep(this.#now()), this.#deps.clock, signal)
  }

  /** Does what is due; how long until it has to look again. */
  #sweep(now: Moment): number {
    for (const entry of this.#entries.values()) if (entry.prefetch && !this.#slots.has(entry.id)) this.#open(entry)
    let sleepMs = this.#config.maxSleepMs
    for (const slot of this.#slots.values()) {
      if (slot.svid?.isExpired(now) === true) {
        this.#deps.log.warn({ event: 'svid.expired', entryId: slot.entry.id, spiffeId: slot.svid.spiffeId, notAfterMs: slot.svid.notAfterMs }, 'an SVID expired before it could be rotated')
        this.#withdraw(slot, now)
      }
      if (slot.signing !== undefined) continue
      if (!slot.isWanted) {
        if (slot.svid === undefined && now.bootMs < slot.retryAtBootMs) sleepMs = Math.min(sleepMs, slot.retryAtBootMs - now.bootMs)
        else if (slot.isStale(now)) this.#drop(slot)
        else sleepMs = Math.min(sleepMs, slot.msUntilDue(now))
      } else if (slot.isStale(now)) {
        if (now.bootMs >= slot.retryAtBootMs) void this.#sign(slot)
        else sleepMs = Math.min(sleepMs, slot.retryAtBootMs - now.bootMs)
      } else sleepMs = Math.min(sleepMs, slot.msUntilDue(now))
    }
    return Math.max(1, sleepMs)
  }

  /** Never fails: the slot keeps why. */
  #sign(slot: SvidSlot): Promise<void> {
    slot.signing ??= this.#signOnce(slot).finally(() => {
      slot.signing = undefined
      this.#wake.ring()
    })
    return slot.signing
  }

  async #signOnce(slot: SvidSlot): Promise<void> {
    const { id: entryId, revision, spiffeId } = slot.entry
    try {
      const { keyType = 'ec-p256' } = this.#config
      const key = keyType === 'ec-p256' ? PrivateKey.generate() : await PrivateKey.create(keyType) // the usual one in this turn, so that those that come together are one call
      const outcome = await this.#batch.request({ entryId, csr: buildCsr(key, { uris: [spiffeId] }) })
      if (outcome.kind === 'refused') throw new MayflyError(outcome.code, outcome.message)
      this.#take(slot, WorkloadSvid.of({ entryId, revision, spiffeId, key }, outcome.chain, this.#now()))
    } catch (error) {
      const failure = asMayflyError(error, 'asking for an SVID failed')
      slot.fail(failure)
      slot.retryAtBootMs = this.#now().bootMs + backoffMs(slot.failures, this.#config.retry, this.#deps.random)
      this.#deps.log.warn({ event: 'svid.sign_failed', entryId, spiffeId, code: failure.code, failures: slot.failures, cause: failure.message }, 'an SVID could not be had')
    }
  }

  #take(slot: SvidSlot, svid: WorkloadSvid): void {
    if (this.#slots.get(slot.entry.id) !== slot) {
      this.#deps.ended([svid.serial])
      return
    }
    const now = this.#now()
    const standing = this.#deps.standing(svid)
    if (standing === 'ended') throw new MayflyError('UNAVAILABLE', 'the server signed an SVID that bundle or revocations refuse')
    slot.take(svid, standing, halfLife(svid.notAfterMs, now, this.#deps.random), now)
    if (standing === 'tainted') slot.retryAtBootMs = now.bootMs + this.#config.retry.mostMs // the server has no better authority yet
    this.#deps.log.info({ event: 'svid.received', entryId: svid.entryId, spiffeId: svid.spiffeId, serial: svid.serialHex, notAfterMs: svid.notAfterMs }, 'received an SVID')
    this.changed.emit(svid.entryId)
  }

  #withdraw(slot: SvidSlot, now: Moment): void {
    slot.withdraw(now)
    this.changed.emit(slot.entry.id)
  }

  #drop(slot: SvidSlot): void {
    this.#slots.delete(slot.entry.id)
    const live = slot.live(this.#now())
    if (live.length > 0 && !slot.entry.keepOnExit) this.#deps.ended(live.map(({ serial }) => serial))
    if (slot.svid !== undefined) this.changed.emit(slot.entry.id)
  }

  /** A new slot; `undefined` when there is no room. */
  #open(entry: Entry): SvidSlot | undefined {
    if (this.#slots.size >= this.#config.maxSvids) {
      let oldest: SvidSlot | undefined
      for (const slot of this.#slots.values()) {
        if (!slot.isWanted && slot.signing === undefined && (oldest === undefined || slot.usedAtBootMs < oldest.usedAtBootMs)) oldest = slot
      }
      if (oldest === undefined) return undefined
      this.#drop(oldest)
    }
    const slot = new SvidSlot(entry, this.#now())
    this.#slots.set(entry.id, slot)
    return slot
  }

  #now(): Moment {
    return momentOf(this.#deps.clock)
  }
}

const maxAttempts = 3

/** Statuses by which the server says no to this one; others say not now. */
const refusals = new Set(['PERMISSION_DENIED', 'NOT_FOUND', 'INVALID_ARGUMENT', 'FAILED_PRECONDITION'])

function failed(error: MayflyError): Readiness {
  return { kind: 'failed', error, refused: refusals.has(error.status) }
}
