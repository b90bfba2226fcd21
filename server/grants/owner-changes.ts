import type { Logger } from '../../src/ports/logger.ts'
import type { GrantStore, OwnerEnd, OwnerStore, RemoveOwnerOptions } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'

export interface OwnerChangesDeps {
  readonly store: { readonly owners: OwnerStore; readonly grants: GrantStore }
  readonly log: Logger
}

/** Other commits wait for some tens of milliseconds at a time. */
const endedAtOnce = 250

/** Owners come, hand over and go. From the first transaction of a removal on nothing is issued for it; what it owned ends in as many more as it takes. */
export class OwnerChanges {
  /** Whose removal is under way: nobody else needs to end what is theirs. */
  readonly removing: Set<string> = new Set()
  readonly #deps: OwnerChangesDeps

  constructor(deps: OwnerChangesDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} OWNER_MISSING */
  async transfer(from: string, to: string, by: Actor): Promise<OwnerEnd> {
    const moved = await this.#deps.store.owners.transfer(from, to, by)
    this.#deps.log.info({ event: 'owner.transferred', from, to, ...moved.owned, by: by.name }, 'an owner handed over')
    return moved
  }

  /** Ends the grants of this owner and disables its entries. @throws {MayflyError} OWNER_MISSING, EXPECTATION_FAILED when it owns anything and not all of it is to end */
  async remove(name: string, options: RemoveOwnerOptions, by: Actor): Promise<OwnerEnd> {
    this.removing.add(name)
    try {
      return await this.#remove(name, options, by)
    } finally {
      this.removing.delete(name)
    }
  }

  async #remove(name: string, options: RemoveOwnerOptions, by: Actor): Promise<OwnerEnd> {
    const { store, log } = this.#deps
    const first = await store.owners.remove(name, options, by)
    if (options.dryRun) return first
    let credentials = first.hits.credentials
    let { streamSeq } = first
    const ended = [...first.ended]
    for (let { more } = first; more; ) {
      const next = await store.grants.endWhere({ owner: name }, { cause: 'owner_removed', detail: `the owner ${name} was removed` }, endedAtOnce, by)
      credentials += next.hits.credentials
      streamSeq = Math.max(streamSeq, next.streamSeq)
      ended.push(...next.ended)
      more = next.more
    }
    log.info({ event: 'owner.removed', owner: name, ...first.owned, credentials, streamSeq, by: by.name }, 'an owner was removed')
    return { ...first, ended, more: false, streamSeq, hits: { ...first.hits, credentials } }
  }
}
