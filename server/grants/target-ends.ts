import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { OwnerEnd, OwnerStore, RemoveOwnerOptions } from '../store/grant-port.ts'
import type { Actor, AgentStore, EndResult, LastingTarget, RevokeOptions, Target, TargetEnd, TargetStore } from '../store/port.ts'
import type { GrantTime } from './grant-time.ts'

export interface TargetEndsDeps {
  readonly store: { readonly targets: TargetStore; readonly agents: AgentStore; readonly owners: OwnerStore }
  readonly time: GrantTime
  readonly clock: Clock
  readonly log: Logger
}

const retryMs = 1_000
const rotatedAtOnce = 500

/**
 * Ends all that targets have, however much it is: the first transaction sees to it that nothing more is issued and ends the first piece, the rest follows in pieces between which
 * other changes are made. A call resolves when all of it is durable and revoked. What a crash, a failure or a caller that went away left is taken up by itself.
 */
export class TargetEnds implements AsyncDisposable {
  readonly #deps: TargetEndsDeps
  readonly #stop = new AbortController()
  readonly #left = new Map<string, Promise<void>>()
  readonly #removing = new Map<string, number>()

  private constructor(deps: TargetEndsDeps) {
    this.#deps = deps
  }

  /** Takes up what an earlier run left, beside all else. */
  static async start(deps: TargetEndsDeps): Promise<TargetEnds> {
    const ends = new TargetEnds(deps)
    for (const { target, cause, reason, by } of await deps.store.targets.unfinished()) {
      deps.log.info({ event: 'target.end_resumed', target, cause, reason, by }, 'what was left to end of a target ends now')
      ends.#finishLater(target)
    }
    return ends
  }

  /** @throws {MayflyError} as `targets.revoke` of the store */
  async revoke(target: Target, options: RevokeOptions, by: Actor): Promise<EndResult> {
    const first = await this.#deps.store.targets.revoke(target, options, by)
    return first.unrotated === undefined ? await this.#whole(target, first) : await this.#rotateAll(first, first.unrotated, options.reason, by)
  }

  /** @throws {MayflyError} NOT_FOUND */
  async ban(id: SpiffeId, by: Actor): Promise<EndResult> {
    return await this.#whole({ kind: 'agent', id }, await this.#deps.store.agents.ban(id, by))
  }

  /** @throws {MayflyError} NOT_FOUND */
  async evict(id: SpiffeId, by: Actor): Promise<EndResult> {
    return await this.#whole({ kind: 'agent', id }, await this.#deps.store.agents.delete(id, by))
  }

  /** @throws {MayflyError} OWNER_MISSING, EXPECTATION_FAILED */
  async removeOwner(name: string, options: RemoveOwnerOptions, by: Actor): Promise<OwnerEnd> {
    this.#removing.set(name, (this.#removing.get(name) ?? 0) + 1)
    try {
      return await this.#whole({ kind: 'owner', owner: name }, await this.#deps.store.owners.remove(name, options, by))
    } finally {
      const others = (this.#removing.get(name) ?? 1) - 1
      if (others === 0) this.#removing.delete(name)
      else this.#removing.set(name, others)
    }
  }

  /** Whether what this owner had is ending: nobody else needs to see to it. */
  isEnding(owner: string): boolean {
    return this.#removing.has(owner) || this.#left.has(`owner ${owner}`)
  }

  /** What is left is taken up by the next run. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the server is shutting down; what is left to end ends when it is back'))
    await Promise.all(this.#left.values())
  }

  async #whole<T extends TargetEnd>(target: Target, first: T): Promise<T> {
    if (!first.more || target.kind === 'serial') return first
    try {
      return { ...first, more: false, streamSeq: await this.#finish(target) }
    } catch (error) {
      this.#finishLater(target)
      throw error
    }
  }

  /** What a crash leaves of a rotation is not taken up: nothing of it is disabled, and whoever asked was told that it failed. */
  async #rotateAll(first: EndResult, unrotated: readonly string[], reason: string, by: Actor): Promise<EndResult> {
    let { streamSeq } = first
    for (let at = 0; at < unrotated.length; at += rotatedAtOnce) {
      this.#stop.signal.throwIfAborted()
      const next = await this.#deps.store.targets.continueRotation(unrotated.slice(at, at + rotatedAtOnce), reason, by)
      streamSeq = next.streamSeq
    }
    return { hits: first.hits, streamSeq }
  }

  /** Resolves with where the stream stands once nothing is left. */
  async #finish(target: LastingTarget): Promise<number> {
    const { store, time } = this.#deps
    for (;;) {
      this.#stop.signal.throwIfAborted()
      const { more, streamSeq } = await store.targets.continueEnd(target, time.nowMs())
      if (!more) return streamSeq
    }
  }

  #finishLater(target: LastingTarget): void {
    const key = keyOf(target)
    if (this.#stop.signal.aborted || this.#left.has(key)) return
    this.#left.set(key, this.#untilFinished(target).finally(() => this.#left.delete(key)))
  }

  async #untilFinished(target: LastingTarget): Promise<void> {
    const { clock, log } = this.#deps
    while (!this.#stop.signal.aborted) {
      try {
        const streamSeq = await this.#finish(target)
        log.info({ event: 'target.end_finished', target, streamSeq }, 'nothing is left of what a target had')
        return
      } catch (error) {
        if (this.#stop.signal.aborted) return
        log.error({ event: 'target.end_failed', target, error: String(error) }, 'what a target had is not all ended yet; it is tried again')
        await clock.sleep(retryMs, this.#stop.signal).catch(() => undefined) // only aborts
      }
    }
  }
}

function keyOf(target: LastingTarget): string {
  switch (target.kind) {
    case 'id':
    case 'agent':
      return `${target.kind} ${target.id}`
    case 'entry':
      return `entry ${target.entryId}`
    case 'owner':
      return `owner ${target.owner}`
    default:
      return target satisfies never
  }
}
