import { MayflyError } from '../src/core/errors.ts'
import type { GrantKeeper } from './grants/keeper.ts'
import type { ProcessHolders } from './liveness/process-holders.ts'
import type { SvidCache } from './rotation/svid-cache.ts'
import type { ServerConnection } from './sync/connection.ts'
import type { CrlFeed } from './sync/crl-feed.ts'
import type { Trust } from './sync/trust.ts'
import type { Identities } from './workload-api/identities.ts'

/** What an agent has once it belongs to a server. */
export interface Member extends AsyncDisposable {
  readonly trust: Trust
  readonly connection: ServerConnection
  readonly svids: SvidCache
  readonly holders: ProcessHolders
  readonly identities: Identities
  readonly crls: CrlFeed
  readonly grants: GrantKeeper
}

/** How far an agent has come since it started: sockets listen from the first moment on, and what they serve comes with the server. */
export class Progress {
  /** Unset before it has joined. */
  member: Member | undefined
  #isSynced = false
  readonly #synced = Promise.withResolvers<void>()

  /** @throws {MayflyError} UNAVAILABLE before it has joined */
  get joined(): Member {
    if (this.member === undefined) throw new MayflyError('UNAVAILABLE', 'the agent has not joined its server yet')
    return this.member
  }

  /** Whether its entries are known. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** Resolves once they are; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Unset once they are. */
  readonly notSynced = (): Promise<void> | undefined => (this.#isSynced ? undefined : this.#synced.promise)

  entriesKnown(): void {
    this.#isSynced = true
    this.#synced.resolve()
  }
}
