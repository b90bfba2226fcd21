import type { RelayedReports__Output } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { decodeReport, instanceBytes, type Receipt } from '../../src/core/revocation/reports.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { Store } from '../store/port.ts'
import { checkRegistration, checkReport, isEnded, type VerifierCheckDeps, type WireReport } from './check.ts'
import { Spread } from './spread.ts'
import { UseLedger } from './use-ledger.ts'
import type { Verifier } from './verifier.ts'
import { Inbox, type Arrived, type WireRegistration } from './inbox.ts'
import { VerifierRecords } from './records.ts'

/** A registration that is not taken: of which instance, 16 bytes, and why. */
export type RefusalListener = (refusal: { readonly instance: Uint8Array; readonly refused: string }) => void

export interface VerifierRegistryDeps extends VerifierCheckDeps {
  readonly store: Pick<Store, 'verifiers' | 'credentials' | 'journal'>
  readonly clock: Clock
  readonly log: Logger
  /** The server's own head, and the root of its set where it still knows it. */
  readonly stream: { readonly head: StreamHead; rootAt(seq: number, floorMinute: number): Uint8Array | undefined }
}

const maxVerifiers = 20_000
/** Relays bring those of many machines through one agent. */
const maxPerAgent = 10_000
/** New ones of one agent, each a record of the journal: a machine may start with as many as it can have, and not start over and over. */
const newTerms = { perSecond: 20, burst: maxPerAgent }
/** One that was not heard for so long is forgotten. */
const forgetAfterMs = 600_000
const lookEveryMs = 30_000
/** Reports are checked in slices, so that ten thousand verifiers that speak at once hold up nobody: a third of the thread at most. */
const sliceMs = 4
const sliceReports = 64
const restMs = 8
const refusalLogEveryMs = 1_000

/**
 * The verifiers that follow the stream: who they are, and how far each has come by its own signed word. What relays bring is queued, the newest receipt of each verifier
 * alone, and checked a little at a time.
 */
export class VerifierRegistry implements AsyncDisposable {
  readonly #deps: VerifierRegistryDeps
  readonly #stop = new AbortController()
  readonly #verifiers = new Map<string, Verifier>()
  readonly #unregistered = new Map<SpiffeId, number>()
  readonly #perAgent = new Map<SpiffeId, number>()
  readonly #inbox = new Inbox()
  readonly #newQuota: Quota
  readonly #records: VerifierRecords
  readonly #uses: UseLedger
  readonly #listeners = new Set<() => void>()
  readonly #subscription: Disposable
  #running: Promise<unknown> = Promise.resolve()
  #checking: Promise<void> | undefined
  #refusals = 0
  #refusalBootMs = Number.NEGATIVE_INFINITY

  readonly spread: Spread
  readonly #refusalListeners = new Map<SpiffeId, Set<RefusalListener>>()

  private constructor(deps: VerifierRegistryDeps) {
    this.#deps = deps
    this.spread = new Spread(deps.clock)
    this.#newQuota = new Quota(deps.clock, newTerms)
    this.#records = new VerifierRecords(deps)
    this.#uses = new UseLedger(deps)
    this.#subscription = deps.store.journal.onCommit((commit) => this.spread.committed(commit))
  }

  /** Knows those that registered in an earlier run, and waits for their word. */
  static async start(deps: VerifierRegistryDeps): Promise<VerifierRegistry> {
    const registry = new VerifierRegistry(deps)
    const { signal } = registry.#stop
    for (const registered of await deps.store.verifiers.all()) {
      registry.#put({ registered, key: undefined, unsigned: false, number: 0, usesNumber: 0, epoch: 0, seq: 0, receiptAtMs: 0, stateDiffers: false, heardBootMs: deps.clock.bootMs(), sinceBootMs: Number.NEGATIVE_INFINITY })
    }
    registry.#running = Promise.all([registry.#uses.run(signal), registry.#records.run(signal), registry.#forget(signal)])
    return registry
  }

  /** All that are known, signed or not. */
  get all(): readonly Verifier[] {
    return [...this.#verifiers.values()]
  }

  /** Those whose word counts: not the ones without an SVID, nor those whose own SVID was revoked. */
  get relied(): readonly Verifier[] {
    return this.all.filter(({ unsigned, key }) => !unsigned && (key === undefined || !isEnded(this.#deps.revocation.check(key.facts))))
  }

  /** Readers of the stream that agents know of and that did not register. */
  get unregistered(): number {
    let sum = 0
    for (const count of this.#unregistered.values()) sum += count
    return sum
  }

  get head(): StreamHead {
    return this.#deps.stream.head
  }

  /** Called when a verifier came, went or has come further; it must not throw. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Called with each registration that is refused of those that this agent brings; it must not throw. */
  onRefused(agentId: SpiffeId, listener: RefusalListener): Disposable {
    const listeners = this.#refusalListeners.get(agentId) ?? new Set()
    this.#refusalListeners.set(agentId, listeners.add(listener))
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener)
        if (listeners.size === 0 && this.#refusalListeners.get(agentId) === listeners) this.#refusalListeners.delete(agentId)
      },
    }
  }

  /** Takes what an agent relays. Returns at once: checking comes later. */
  receive(agentId: SpiffeId, { registrations, receipts, uses, refusals, left, unregistered }: RelayedReports__Output): void {
    const arrivedBootMs = this.#deps.clock.bootMs()
    this.#unregistered.set(agentId, Math.max(0, unregistered))
    for (const registration of registrations) this.#inbox.register({ agentId, wire: registration, arrivedBootMs })
    for (const wire of receipts) this.#inbox.receipt({ agentId, wire, arrivedBootMs })
    for (const wire of [...refusals, ...uses]) this.#inbox.uses({ agentId, wire, arrivedBootMs })
    for (const instance of left) if (instance.length === instanceBytes) this.#leave(toHex(instance), agentId)
    if (this.#inbox.size > 0) this.#checking ??= this.#checkAll().finally(() => (this.#checking = undefined))
  }

  /** An agent's stream has ended: what it said of its unregistered readers is void. */
  agentLeft(agentId: SpiffeId): void {
    this.#unregistered.delete(agentId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#subscription[Symbol.dispose]()
    await Promise.all([this.#running, this.#checking])
  }

  async #checkAll(): Promise<void> {
    const { clock } = this.#deps
    while (!this.#stop.signal.aborted && this.#inbox.size > 0) {
      const startedMs = clock.bootMs()
      for (let done = 0; done < sliceReports && clock.bootMs() - startedMs < sliceMs; done++) {
        const next = this.#inbox.next()
        if (next === undefined) break
        if (next.kind === 'registration') this.#register(next.arrived)
        else this.#report(next.arrived)
      }
      for (const listener of this.#listeners) listener()
      await clock.sleep(restMs, this.#stop.signal).catch(() => undefined) // only aborts
    }
  }

  #register({ agentId, wire, arrivedBootMs }: Arrived<WireRegistration>): void {
    const { clock } = this.#deps
    const checked = checkRegistration(wire, this.#deps)
    const refuse = (why: string): void => this.#refuseRegistration(agentId, wire.body, why)
    if (checked.kind === 'refused') return refuse(checked.why)
    const { registration } = checked
    const instance = toHex(registration.instance)
    const known = this.#verifiers.get(instance)
    const spiffeId = checked.kind === 'signed' ? checked.by.id : undefined
    if (known !== undefined && !known.unsigned && known.registered.spiffeId !== spiffeId) return refuse('its instance is another identity\'s')
    if (known !== undefined && registration.number <= known.number) return // sent again over a new connection, or an old one replayed
    if (known === undefined && (this.#verifiers.size >= maxVerifiers || (this.#perAgent.get(agentId) ?? 0) >= maxPerAgent)) return refuse('there are too many verifiers')
    if (known === undefined && !this.#mayBringNew(agentId)) return refuse('its agent brings too many new verifiers at once')
    const registered = {
      instance,
      spiffeId,
      class: registration.class,
      software: registration.software,
      agentId,
      registeredAtMs: known?.registered.registeredAtMs ?? clock.nowMs(),
    }
    const { epoch = 0, seq = 0, receiptAtMs = 0, stateDiffers = false, sinceBootMs = arrivedBootMs } = known ?? {}
    if (known !== undefined) this.#drop(known)
    this.#put({ registered, key: checked.kind === 'signed' ? checked.by : undefined, unsigned: spiffeId === undefined, number: registration.number, usesNumber: registration.number, epoch, seq, receiptAtMs, stateDiffers, heardBootMs: arrivedBootMs, sinceBootMs })
    if (spiffeId !== undefined) this.#records.registered({ ...registered, spiffeId }, known?.registered)
  }

  #mayBringNew(agentId: SpiffeId): boolean {
    try {
      this.#newQuota.take(agentId, 1)
      return true
    } catch {
      return false // LIMIT_EXCEEDED, the one failure it has
    }
  }

  #report({ agentId, wire, arrivedBootMs, instance }: Arrived<WireReport> & { readonly instance: string }): void {
    const verifier = this.#verifiers.get(instance)
    if (verifier?.key === undefined) return // it registers again when its agent has heard of this run of the server
    const report = checkReport(wire, verifier.key, this.#deps)
    if (report.kind === 'refused') return this.#refuse(agentId, report.why)
    const isReceipt = report.kind === 'receipt'
    // Sent again, or an old one replayed. Receipts are checked before uses that came earlier: each has its own order.
    if (report.number <= (isReceipt ? verifier.number : verifier.usesNumber)) return
    verifier.heardBootMs = arrivedBootMs
    if (isReceipt) {
      verifier.number = report.number
      return this.#receipt(verifier, report, arrivedBootMs)
    }
    verifier.usesNumber = report.number
    this.#uses.add(verifier.key.id, report)
  }

  #receipt(verifier: Verifier, receipt: Receipt, arrivedBootMs: number): void {
    const { stream, log, clock } = this.#deps
    const { epoch, seq, floorMinute, root } = receipt
    const { head } = stream
    const ours = epoch === head.epoch ? stream.rootAt(seq, floorMinute) : undefined
    const differs = epoch > head.epoch || (epoch === head.epoch && seq > head.seq) || (ours !== undefined && !equalBytes(ours, root))
    if (differs && !verifier.stateDiffers) log.error({ event: 'verifier.state_differs', instance: verifier.registered.instance, spiffeId: verifier.registered.spiffeId, epoch, seq, ownEpoch: head.epoch, ownSeq: head.seq }, 'a verifier has another state than this server at the same place, or is ahead of it')
    verifier.stateDiffers = differs
    verifier.receiptAtMs = clock.nowMs()
    if (epoch === head.epoch && seq > verifier.seq && !differs) this.spread.receipted(verifier.epoch === epoch ? verifier.seq : 0, seq, arrivedBootMs - receipt.heldMs, verifier.sinceBootMs)
    if (differs) return
    verifier.epoch = epoch
    verifier.seq = seq
  }

  #put(verifier: Verifier): void {
    const { instance, agentId } = verifier.registered
    this.#verifiers.set(instance, verifier)
    this.#perAgent.set(agentId, (this.#perAgent.get(agentId) ?? 0) + 1)
  }

  #drop({ registered: { instance, agentId } }: Verifier): void {
    if (!this.#verifiers.delete(instance)) return
    const left = (this.#perAgent.get(agentId) ?? 1) - 1
    if (left === 0) this.#perAgent.delete(agentId)
    else this.#perAgent.set(agentId, left)
  }

  /** Only the agent that relays for it can say that it left. */
  #leave(instance: string, agentId: SpiffeId): void {
    this.#inbox.forget(instance, agentId)
    const verifier = this.#verifiers.get(instance)
    if (verifier?.registered.agentId !== agentId) return
    this.#drop(verifier)
    this.#records.removed(instance)
    for (const listener of this.#listeners) listener()
  }

  async #forget(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => undefined) // only aborts
      for (const verifier of this.#verifiers.values()) {
        if (clock.bootMs() - verifier.heardBootMs <= forgetAfterMs) continue
        this.#drop(verifier)
        this.#records.removed(verifier.registered.instance)
      }
    }
  }

  #refuseRegistration(agentId: SpiffeId, body: Uint8Array, why: string): void {
    this.#refuse(agentId, why)
    const instance = decodeReport(body)?.instance
    if (instance === undefined) return
    for (const listener of this.#refusalListeners.get(agentId) ?? []) listener({ instance, refused: why })
  }

  /** Said at most once a second, with how many there were. */
  #refuse(agentId: SpiffeId, why: string): void {
    const { clock, log } = this.#deps
    this.#refusals++
    if (clock.bootMs() - this.#refusalBootMs < refusalLogEveryMs) return
    log.warn({ event: 'verifier.refused', agentId, why, count: this.#refusals }, 'reports of verifiers were refused')
    this.#refusals = 0
    this.#refusalBootMs = clock.bootMs()
  }
}
