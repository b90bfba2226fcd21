import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RegisteredVerifier, Store } from '../store/port.ts'
import type { Verifier } from './verifier.ts'

export interface VerifierRecordsDeps {
  readonly store: Pick<Store, 'verifiers'>
  readonly clock: Clock
  readonly log: Logger
}

const everyMs = 250
const maxAtOnce = 1_000

/** Writes down who registered and who left, many in one record. A verifier that only renewed its SVID, or connected anew, is not written again. */
export class VerifierRecords {
  readonly #deps: VerifierRecordsDeps
  #registered = new Map<string, RegisteredVerifier>()
  #removed = new Set<string>()

  constructor(deps: VerifierRecordsDeps) {
    this.#deps = deps
  }

  /** @param before what is written down of it, if anything */
  registered(verifier: RegisteredVerifier, before: Verifier['registered'] | undefined): void {
    this.#removed.delete(verifier.instance)
    const same = before?.spiffeId === verifier.spiffeId && before.class === verifier.class && before.software === verifier.software && before.agentId === verifier.agentId
    if (!same) this.#registered.set(verifier.instance, verifier)
  }

  removed(instance: string): void {
    this.#registered.delete(instance)
    this.#removed.add(instance)
  }

  /** Until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(everyMs, signal).catch(() => undefined) // only aborts
      await this.#write()
    }
  }

  async #write(): Promise<void> {
    if (this.#registered.size + this.#removed.size === 0) return
    const { store, clock, log } = this.#deps
    const registered = [...this.#registered.values()]
    const removed = [...this.#removed]
    this.#registered = new Map()
    this.#removed = new Set()
    try {
      for (let at = 0; at < registered.length; at += maxAtOnce) await store.verifiers.register(registered.slice(at, at + maxAtOnce), clock.nowMs())
      for (let at = 0; at < removed.length; at += maxAtOnce) await store.verifiers.remove(removed.slice(at, at + maxAtOnce), clock.nowMs())
    } catch (error) {
      log.warn({ event: 'verifiers.unwritten', registered: registered.length, removed: removed.length, error: String(error) }, 'who registered as a verifier could not be written down')
      for (const verifier of registered) if (!this.#removed.has(verifier.instance) && !this.#registered.has(verifier.instance)) this.#registered.set(verifier.instance, verifier)
      for (const instance of removed) if (!this.#registered.has(instance)) this.#removed.add(instance)
    }
  }
}
