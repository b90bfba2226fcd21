import { MayflyError } from '../../../src/core/errors.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { Logger } from '../../../src/ports/logger.ts'
import type { ActiveAuthority } from '../active-authority.ts'
import { isSameUpstream, type Upstream, type UpstreamSource } from './upstream.ts'

const leastMs = 1_000

/** The upstream authority as it is now: whoever renews it exchanges its files. Without a source there is none, and each authority signs itself. */
export class UpstreamWatch {
  readonly #source: UpstreamSource | undefined
  readonly #deps: { readonly clock: Clock; readonly log: Logger }
  #current: Upstream | undefined
  #problem: string | undefined
  #readMs = -Infinity

  constructor(source: UpstreamSource | undefined, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#source = source
    this.#deps = deps
  }

  /** As of the last look. */
  get current(): Upstream | undefined {
    return this.#current
  }

  /** Why the last look found nothing that can be used, and the one before stays. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** The next {@link look} reads, however short ago the last one was. */
  mayHaveChanged(): void {
    this.#readMs = -Infinity
  }

  /** Reads it, once a second at most. What cannot be used leaves the one before, and is told of. @throws {MayflyError} UPSTREAM_INVALID when there is none before */
  async look(): Promise<void> {
    const { log, clock } = this.#deps
    const before = this.#current
    const nowMs = clock.nowMs()
    if (this.#source === undefined || Math.abs(nowMs - this.#readMs) < leastMs) return
    try {
      this.#current = await this.#source.current()
      this.#problem = undefined
    } catch (error) {
      if (before === undefined) throw error
      this.#problem = error instanceof MayflyError ? error.message : 'its files cannot be read'
      log.error({ event: 'upstream.invalid', error }, 'the files of the upstream authority cannot be used: the one before stays')
    }
    this.#readMs = nowMs
    if (before !== undefined && this.#current !== undefined && !isSameUpstream(before, this.#current)) {
      log.info({ event: 'upstream.changed', notAfterMs: this.#current.certificate.notAfterMs }, 'the upstream authority was exchanged')
    }
  }

  /** That an authority below it would end later than the active one, which hangs on it too: else one would be made again and again, each as short as the last. @throws {MayflyError} UPSTREAM_INVALID */
  checkOutlasts(active: ActiveAuthority): void {
    if (this.#current === undefined || this.#current.certificate.notAfterMs > active.certificate.notAfterMs) return
    throw new MayflyError('UPSTREAM_INVALID', 'the upstream authority: it ends when the authority that signs now does', { hint: 'renew it: put another certificate in the place of ca.upstream.certPath' })
  }
}
