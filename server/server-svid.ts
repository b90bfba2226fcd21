import type { SpiffeId } from '../src/core/spiffe-id.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { TlsIdentity } from '../src/rpc/tls-context.ts'
import { maxChainCertificates } from '../src/verify/path.ts'
import { PrivateKey } from '../src/x509/private-key.ts'
import { issueOne } from './api/issuance.ts'
import type { Issued, Issuer } from './api/issuance.ts'

export interface ServerSvidDeps {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly issuer: Issuer
  readonly authorities: { active(): { readonly id: string }; vouchers(): readonly Uint8Array[]; onChange(listener: () => void): Disposable }
  readonly clock: Clock
  readonly log: Logger
}

const retryMs = 1_000
/** Timers stand still while the machine sleeps, and its wall clock may be set: what is due is looked at again after so long. */
const longestSleepMs = 10_000
/** Of the life; ± 10 %. */
const rotateAt = 0.5

/** The server's own SVID, its key in memory alone: renewed at half its life, and at once when another authority signs. */
export class ServerSvid implements AsyncDisposable {
  readonly #deps: ServerSvidDeps
  readonly #stopping = new AbortController()
  #wake = new AbortController()
  #issued: Issued
  #key: PrivateKey
  #running: Promise<void> = Promise.resolve()

  private constructor(deps: ServerSvidDeps, key: PrivateKey, issued: Issued) {
    this.#deps = deps
    this.#key = key
    this.#issued = issued
  }

  /** @throws {MayflyError} when the first cannot be issued */
  static async start(deps: ServerSvidDeps): Promise<ServerSvid> {
    const { key, issued } = await issue(deps, new AbortController().signal)
    return new ServerSvid(deps, key, issued)
  }

  get identity(): TlsIdentity {
    return { certificateChain: [...this.#issued.chain, ...this.#deps.authorities.vouchers()].slice(0, maxChainCertificates), privateKey: this.#key.keyObject }
  }

  get notAfterMs(): number {
    return this.#issued.notAfterMs
  }

  /** Begins to rotate; `onNew` gets each new identity. Once. */
  rotate(onNew: (identity: TlsIdentity) => void): void {
    this.#running = this.#run(onNew, this.#stopping.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(onNew: (identity: TlsIdentity) => void, signal: AbortSignal): Promise<void> {
    const { authorities, clock, log } = this.#deps
    const following = authorities.onChange(() => this.#wake.abort())
    let shown: readonly Uint8Array[] | undefined
    try {
      while (!signal.aborted) {
        this.#wake = new AbortController()
        if (this.#hasSigner()) await clock.sleep(Math.min(this.#untilRotationMs(), longestSleepMs), AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined) // woken or stopped
        if (signal.aborted) return
        if (this.#hasSigner() && this.#untilRotationMs() > 0) {
          if (authorities.vouchers() !== shown) onNew(this.identity)
          shown = authorities.vouchers()
          continue
        }
        try {
          const { key, issued } = await issue(this.#deps, signal)
          this.#key = key
          this.#issued = issued
          shown = authorities.vouchers()
          onNew(this.identity)
          log.info({ event: 'server.svid_rotated', notAfterMs: issued.notAfterMs, authority: issued.authorityId }, 'the server has a new SVID')
        } catch (error) {
          if (signal.aborted) return
          log.error({ event: 'server.svid_failed', error }, 'the server could not renew its own SVID; it is tried again')
          await clock.sleep(retryMs, signal).catch(() => undefined) // stopped
        }
      }
    } finally {
      following[Symbol.dispose]()
    }
  }

  /** Whether the authority that signed it is still the one that signs; between two authorities there is nothing to do yet. */
  #hasSigner(): boolean {
    try {
      return this.#deps.authorities.active().id === this.#issued.authorityId
    } catch {
      return true
    }
  }

  /** None when the clock was ahead as it was issued and is right again: it is good for nobody yet. */
  #untilRotationMs(): number {
    const { notBeforeMs, notAfterMs, serial } = this.#issued
    const nowMs = this.#deps.clock.nowMs()
    if (nowMs < notBeforeMs) return 0
    const jitter = ((serial[serial.length - 1] ?? 0) / 255 - 0.5) * 0.2 // the serial's last byte is random, and stays the same while it is asked
    return Math.max(0, notBeforeMs + (notAfterMs - notBeforeMs) * (rotateAt + jitter) - nowMs)
  }
}

async function issue({ spiffeId, dnsNames, issuer }: ServerSvidDeps, signal: AbortSignal): Promise<{ readonly key: PrivateKey; readonly issued: Issued }> {
  const key = PrivateKey.generate()
  const issued = await issueOne(issuer, { kind: 'server', profile: 'server-svid', key: { spki: key.spki }, spiffeId, dnsNames, ttlMs: 0, owner: '' }, signal)
  return { key, issued }
}
