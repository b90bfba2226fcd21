import { MayflyError } from '../core/errors.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import type { BundleSet } from '../verify/bundle-set.ts'
import type { ClientDeps } from './deps.ts'
import type { Update } from './watch.ts'
import type { WorkloadApiConfig } from './workload-api.ts'
import { WorkloadApi } from './workload-api.ts'
import type { X509Context } from './x509-context.ts'
import type { X509Svid } from './x509-svid.ts'

export interface X509SourceConfig extends WorkloadApiConfig {
  /** Which of several identities to use: by its hint or its ID. The first, which the standard makes the default, when absent. */
  readonly pick?: { readonly hint: string } | { readonly id: SpiffeId }
  /** How long `start` waits for an identity; 30 s when absent. */
  readonly startTimeoutMs?: number
  /** Gives up starting. */
  readonly signal?: AbortSignal
}

/** What a source went through: another identity or bundle is in force, or none any more. */
export type SourceEvent = { readonly kind: 'updated'; readonly svid: X509Svid; readonly bundles: BundleSet } | { readonly kind: 'withdrawn'; readonly reason: MayflyError }

/** A workload's own X.509-SVID and the bundles it verifies by, always the latest that the Workload API gave. */
export class X509Source implements AsyncDisposable {
  /** The same Workload API, for other calls. */
  readonly api: WorkloadApi
  readonly #config: X509SourceConfig
  readonly #deps: ClientDeps
  readonly #stop = new AbortController()
  readonly #listeners = new Set<(event: SourceEvent) => void>()
  #context: X509Context | undefined
  #svid: X509Svid | undefined
  #why: MayflyError = new MayflyError('NO_IDENTITY', 'the Workload API has not answered yet')
  #running: Promise<void> = Promise.resolve()

  /**
   * Resolves once there is an identity. @throws {MayflyError} ENDPOINT_INVALID; what the Workload API answered last (NO_IDENTITY,
   * PERMISSION_DENIED, UNAVAILABLE, …) when the time is over; the signal's reason
   */
  static async start(config: X509SourceConfig, deps: ClientDeps): Promise<X509Source> {
    const source = new X509Source(config, deps)
    try {
      await source.#started()
      return source
    } catch (failure) {
      await source[Symbol.asyncDispose]()
      throw failure
    }
  }

  private constructor(config: X509SourceConfig, deps: ClientDeps) {
    this.#config = config
    this.#deps = deps
    this.api = WorkloadApi.connect(config, deps)
  }

  /** The identity in force. @throws {MayflyError} NO_IDENTITY when it was withdrawn or has expired, UNAVAILABLE once disposed */
  current(): X509Svid {
    if (this.#svid === undefined) throw this.#why
    if (this.nowMs() > this.#svid.notAfterMs) throw new MayflyError('NO_IDENTITY', `the SVID of ${this.#svid.id} has expired`, { hint: 'the Workload API has not renewed it: is the agent running' })
    return this.#svid
  }

  /** Every identity of this workload; empty when it has none. */
  get svids(): readonly X509Svid[] {
    return this.#context?.svids ?? []
  }

  /** @throws {MayflyError} NO_IDENTITY when they were withdrawn: redacted bundles are not used (WX-09) */
  get bundles(): BundleSet {
    if (this.#context === undefined) throw this.#why
    return this.#context.bundles
  }

  /** The wall clock by which this source judges. */
  nowMs(): number {
    return this.#deps.clock.nowMs()
  }

  get deps(): ClientDeps {
    return this.#deps
  }

  /** Calls at each rotation, bundle change and withdrawal, with what is then in force. The listener must not throw. */
  onUpdate(listener: (event: SourceEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** The present state and then each next one; one who reads slowly misses those in between. Ends with the source or the signal. */
  async *updates(signal?: AbortSignal): AsyncGenerator<SourceEvent, void, undefined> {
    const ends = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    let latest: SourceEvent | undefined = this.#event()
    let wake: () => void = () => undefined
    using _subscription = this.onUpdate((event) => {
      latest = event
      wake()
    })
    const ended = (): void => wake()
    ends.addEventListener('abort', ended, { once: true })
    try {
      while (!ends.aborted) {
        const event: SourceEvent | undefined = latest
        latest = undefined
        if (event === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else yield event
      }
    } finally {
      ends.removeEventListener('abort', ended)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.api.close()
    this.#context = undefined
    this.#svid = undefined
    this.#why = new MayflyError('UNAVAILABLE', 'the source is closed')
  }

  async #started(): Promise<void> {
    const { startTimeoutMs = 30_000, signal } = this.#config
    signal?.throwIfAborted()
    const timer = new AbortController()
    try {
      await new Promise<void>((resolve, reject) => {
        this.#running = this.#follow(resolve).catch(reject)
        this.#deps.clock.sleep(startTimeoutMs, timer.signal).then(
          () => reject(this.#why),
          () => undefined, // it started first
        )
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: timer.signal }) // whatever the caller gave
      })
    } finally {
      timer.abort()
    }
  }

  async #follow(started: () => void): Promise<void> {
    try {
      for await (const update of this.api.watchX509Context({ signal: this.#stop.signal })) {
        this.#take(update)
        if (this.#svid !== undefined) started()
      }
    } catch (failure) {
      const reason = failure instanceof MayflyError ? failure : new MayflyError('INTERNAL', 'the Workload API cannot be followed', { cause: failure })
      this.#withdraw(reason)
      throw reason
    }
  }

  #take(update: Update<X509Context>): void {
    switch (update.kind) {
      case 'state':
        return this.#use(update.state)
      case 'withdrawn':
        return this.#withdraw(new MayflyError('NO_IDENTITY', update.reason.message, { ...(update.reason.hint === undefined ? {} : { hint: update.reason.hint }), cause: update.reason }))
      case 'disconnected':
        this.#deps.log.warn({ event: 'workload_api.disconnected', code: update.reason.code, why: update.reason.message }, 'the Workload API cannot be reached; trying again')
        if (this.#svid === undefined) this.#why = update.reason
        return
      default:
        return update satisfies never
    }
  }

  #use(context: X509Context): void {
    const svid = this.#pick(context)
    if (svid === undefined) return this.#withdraw(new MayflyError('NO_IDENTITY', 'none of the identities is the one to pick'))
    this.#context = context
    this.#svid = svid
    this.#tell({ kind: 'updated', svid, bundles: context.bundles })
  }

  #withdraw(reason: MayflyError): void {
    const had = this.#svid !== undefined
    this.#context = undefined
    this.#svid = undefined
    this.#why = reason
    if (had) this.#tell({ kind: 'withdrawn', reason })
  }

  #pick({ svids }: X509Context): X509Svid | undefined {
    const { pick } = this.#config
    if (pick === undefined) return svids[0]
    return svids.find((svid) => ('hint' in pick ? svid.hint === pick.hint : svid.id === pick.id))
  }

  #event(): SourceEvent {
    if (this.#svid === undefined || this.#context === undefined) return { kind: 'withdrawn', reason: this.#why }
    return { kind: 'updated', svid: this.#svid, bundles: this.#context.bundles }
  }

  #tell(event: SourceEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
