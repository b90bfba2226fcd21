import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'

/** A certified key of the stream, in memory alone. */
export interface StreamSigningKey {
  /** SHA-256 of its SubjectPublicKeyInfo, 32 bytes. */
  readonly keyId: Uint8Array
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
  sign(bytes: Uint8Array): Uint8Array
}

export interface StreamSignerDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** Has a certificate of at most 24 h made for an Ed25519 SubjectPublicKeyInfo: DER, leaf first, up to but without the authority in the bundle. */
  readonly certify: (spki: Uint8Array) => Promise<readonly Uint8Array[]>
}

const firstRetryMs = 250
const longestRetryMs = 10_000
/** Timers stand still while the machine sleeps, and its wall clock may be set: what is due is looked at again after so long. */
const longestSleepMs = 10_000

/**
 * Keeps an Ed25519 key that may sign the revocation stream: makes one at start, has it certified, and replaces it at half of its life. Starting
 * waits for nothing: while there is no certified key, {@link current} is unset and the stream is silent.
 */
export class StreamSigner implements AsyncDisposable {
  readonly #deps: StreamSignerDeps
  readonly #stop = new AbortController()
  readonly #listeners = new Set<(next: StreamSigningKey, before: StreamSigningKey | undefined) => void>()
  #wake = new AbortController()
  #current: StreamSigningKey | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(deps: StreamSignerDeps) {
    this.#deps = deps
  }

  static start(deps: StreamSignerDeps): StreamSigner {
    const signer = new StreamSigner(deps)
    signer.#running = signer.#run(signer.#stop.signal)
    return signer
  }

  /** The key to sign with; unset before the first one is certified, after its end, and after {@link replace}. */
  get current(): StreamSigningKey | undefined {
    return this.#current !== undefined && this.#deps.clock.nowMs() <= this.#current.notAfterMs ? this.#current : undefined
  }

  /** Called with each new key just before it becomes the current one, so that the old one can introduce it. */
  onNext(listener: (next: StreamSigningKey, before: StreamSigningKey | undefined) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Makes a new key now. @param trusted false: readers no longer take the present one (its authority was revoked), so it is dropped at once */
  replace(trusted: boolean): void {
    if (!trusted) this.#current = undefined
    this.#wake.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    let retryMs = firstRetryMs
    while (!signal.aborted) {
      this.#wake = new AbortController()
      const next = await this.#make()
      if (signal.aborted) return
      if (next !== undefined) this.#adopt(next)
      const over = AbortSignal.any([signal, this.#wake.signal])
      if (next === undefined) await this.#deps.clock.sleep(retryMs, over).catch(() => undefined) // only aborts
      else await this.#outlive(next, over)
      retryMs = next === undefined ? Math.min(retryMs * 2, longestRetryMs) : firstRetryMs
    }
  }

  /** Until half of its life is over, or the clock is set back to before it. */
  async #outlive({ notBeforeMs, notAfterMs }: StreamSigningKey, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    const halfMs = (notAfterMs + clock.nowMs()) / 2
    let leftMs = Math.max(firstRetryMs, halfMs - clock.nowMs())
    while (leftMs > 0 && !signal.aborted) {
      await clock.sleep(Math.min(leftMs, longestSleepMs), signal).catch(() => undefined) // only aborts
      leftMs = clock.nowMs() < notBeforeMs ? 0 : halfMs - clock.nowMs()
    }
  }

  #adopt(next: StreamSigningKey): void {
    for (const listener of this.#listeners) listener(next, this.current)
    this.#current = next
    this.#deps.logger.info({ event: 'revocation.signer_changed', notAfterMs: next.notAfterMs }, 'a new key signs the revocation stream')
  }

  async #make(): Promise<StreamSigningKey | undefined> {
    try {
      const key = PrivateKey.generate('Ed25519')
      const chain = await this.#deps.certify(key.spki)
      const { notBeforeMs, notAfterMs } = parseCertificate(chain[0] ?? new Uint8Array(0))
      return { keyId: publicKeyHash(key.spki), chain, notBeforeMs, notAfterMs, sign: (bytes) => key.sign(bytes) }
    } catch (error) {
      this.#deps.logger.warn({ event: 'revocation.signer_uncertified', error: String(error) }, 'no certificate for the key of the revocation stream: the stream is silent')
      return undefined
    }
  }
}

/** The key to sign with, once there is one; `undefined` when the signal aborts first. */
export async function nextKey(signer: StreamSigner, signal: AbortSignal): Promise<StreamSigningKey | undefined> {
  while (!signal.aborted) {
    const key = signer.current
    if (key !== undefined) return key
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        subscription[Symbol.dispose]()
        resolve()
      }
      // A key is announced before it is the current one: the loop looks again a turn later.
      const subscription = signer.onNext(() => queueMicrotask(done))
      signal.addEventListener('abort', done, { once: true })
    })
  }
  return undefined
}
