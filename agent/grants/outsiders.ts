import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { GrantServer } from './ports.ts'

export interface OutsidersDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly server: Pick<GrantServer, 'reportOutsider'>
}

/** How often one grant's outsiders are told of, however often they come. */
const gapMs = 10_000

/** Processes that came to the socket of a grant without belonging to it: each grant's are logged and told to the server at once, and again after a while. */
export class Outsiders implements AsyncDisposable {
  readonly #deps: OutsidersDeps
  readonly #stop = new AbortController()
  readonly #said = new Map<string, { readonly atBootMs: number; unsaid: number }>()
  readonly #sending = new Set<Promise<void>>()

  constructor(deps: OutsidersDeps) {
    this.#deps = deps
  }

  note(grantId: string, { pid, uid }: { readonly pid: number; readonly uid: number }): void {
    const { clock, log } = this.#deps
    const bootMs = clock.bootMs()
    const last = this.#said.get(grantId)
    if (last !== undefined && bootMs - last.atBootMs < gapMs) {
      last.unsaid++
      return
    }
    for (const [id, { atBootMs }] of this.#said) if (bootMs - atBootMs >= gapMs) this.#said.delete(id)
    this.#said.set(grantId, { atBootMs: bootMs, unsaid: 0 })
    log.warn({ event: 'grant.outsider', grantId, pid, uid, unsaid: last?.unsaid ?? 0 }, 'a process outside the binding of a grant came to its socket')
    const sending = this.#tell(grantId, pid, uid).finally(() => this.#sending.delete(sending))
    this.#sending.add(sending)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await Promise.all(this.#sending)
  }

  async #tell(grantId: string, pid: number, uid: number): Promise<void> {
    try {
      await this.#deps.server.reportOutsider({ grantId, pid, uid }, this.#stop.signal)
    } catch (error) {
      const code = error instanceof MayflyError ? error.code : 'INTERNAL'
      if (code !== 'NOT_FOUND' && !this.#stop.signal.aborted) this.#deps.log.warn({ event: 'grant.outsider_unreported', grantId, code }, 'the server has not heard of an outsider; it is told when the next one comes')
    }
  }
}
