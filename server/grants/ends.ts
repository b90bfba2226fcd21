import { MayflyError } from '../../src/core/errors.ts'
import { hasEnded, type Grant, type GrantCause } from '../../src/core/grant/grant.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { GrantEnding } from '../store/grant-model.ts'
import type { GrantMoved, GrantStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import { isWaiting } from './grant-index.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'

export interface EndsDeps {
  readonly store: { readonly grants: GrantStore }
  readonly index: GrantIndex
  readonly time: GrantTime
  readonly log: Logger
}

/** Other changes wait for some tens of milliseconds at a time. */
const endedAtOnce = 100

/** Ends grants, for whichever cause: durable and revoked at all verifiers from one transaction on. Again it changes nothing. */
export class Ends {
  readonly #deps: EndsDeps

  constructor(deps: EndsDeps) {
    this.#deps = deps
  }

  /** It and all below it. One that was not active yet lapses. @throws {MayflyError} NOT_FOUND, STORE_UNWRITABLE */
  async end(id: string, ending: GrantEnding, by: string): Promise<GrantMoved> {
    const { store } = this.#deps
    const result = await store.grants.end(id, ending, this.actor(by))
    this.#say(result, by)
    return result
  }

  /** Nobody wants it any more before it was active. @throws {MayflyError} NOT_FOUND, GRANT_STATE when it is active by now */
  async withdraw(grant: Grant, detail: string, by: string): Promise<Grant> {
    if (!isWaiting(grant)) {
      if (hasEnded(grant.state)) return grant
      throw new MayflyError('GRANT_STATE', `a grant that is ${grant.state} is ended, not withdrawn`)
    }
    const result = await this.#deps.store.grants.move(grant.id, undefined, { kind: 'lapsed', detail }, this.actor(by))
    this.#say(result, by)
    return result.grant
  }

  /** As {@link Ends.end}; what goes wrong is logged and tried again by the next sweep. Returns whether it has ended. */
  async tryEnd(id: string, cause: GrantCause, detail: string): Promise<boolean> {
    try {
      await this.end(id, { cause, detail }, 'system')
      return true
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'NOT_FOUND') return true
      this.#deps.log.error({ event: 'grant.end_failed', grantId: id, cause, error: String(error) }, 'a grant could not be ended; it is tried again')
      return false
    }
  }

  /** All that has come to its deadline, in pieces between which other changes are made; time counts while suspended too (invariant 4). @throws {MayflyError} STORE_UNWRITABLE */
  async endDue(): Promise<void> {
    const { store, index, log } = this.#deps
    const ending = { cause: 'timeout', detail: 'its time is over' } as const
    for (let left = true; left; ) {
      const by = this.actor('system')
      const { ended, more, streamSeq } = await store.grants.endWhere({ dueAtMs: by.atMs }, ending, endedAtOnce, by)
      for (const grantId of ended) log.info({ event: 'grant.ending', grantId, spiffeId: index.byId(grantId)?.spiffeId, ...ending, streamSeq, by: by.name }, 'a grant has ended')
      left = more
    }
  }

  actor(name: string): Actor {
    return { name, atMs: this.#deps.time.nowMs() }
  }

  #say({ grant, ended, hits, streamSeq }: GrantMoved, by: string): void {
    if (ended.length === 0) return
    const { id: grantId, spiffeId, state, cause, detail } = grant
    this.#deps.log.info({ event: 'grant.ending', grantId, spiffeId, state, cause, detail, grants: ended.length, credentials: hits.credentials, streamSeq, by }, 'a grant has ended')
  }
}
