import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { CredentialStore } from '../store/port.ts'

const delayMs = 50
const atOnce = 1_000

/** Notes which credentials were handed out, some time after they were, many in one write. A row whose note is lost is abandoned at the next start: safe, for its holder gets a new SVID then. */
export class ReleaseQueue implements AsyncDisposable {
  readonly #deps: { readonly credentials: Pick<CredentialStore, 'release'>; readonly clock: Clock; readonly log: Logger }
  readonly #stop = new AbortController()
  #waiting: Uint8Array[] = []
  #writing: Promise<void> | undefined

  constructor(deps: { readonly credentials: Pick<CredentialStore, 'release'>; readonly clock: Clock; readonly log: Logger }) {
    this.#deps = deps
  }

  add(serial: Uint8Array): void {
    this.#waiting.push(serial)
    this.#writing ??= this.#writeLater()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#writing
    await this.#write()
  }

  async #writeLater(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        if (this.#waiting.length < atOnce) await this.#deps.clock.sleep(delayMs, this.#stop.signal).catch(() => undefined) // stopping: write at once
        if (!(await this.#write())) return
      }
    } finally {
      this.#writing = undefined
    }
  }

  /** False when it failed: the serials wait for the next release. */
  async #write(): Promise<boolean> {
    const serials = this.#waiting
    if (serials.length === 0) return true
    this.#waiting = []
    try {
      await this.#deps.credentials.release(serials, this.#deps.clock.nowMs())
      return true
    } catch (error) {
      this.#waiting = [...serials, ...this.#waiting]
      this.#deps.log.warn({ event: 'svid.release_unwritten', count: serials.length, error }, 'releases not noted yet')
      return false
    }
  }
}
