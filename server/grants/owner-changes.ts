import type { Logger } from '../../src/ports/logger.ts'
import type { OwnerEnd, OwnerStore, RemoveOwnerOptions } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import type { TargetEnds } from './target-ends.ts'

export interface OwnerChangesDeps {
  readonly store: { readonly owners: OwnerStore }
  readonly ends: Pick<TargetEnds, 'removeOwner'>
  readonly log: Logger
}

/** Owners come, hand over and go. */
export class OwnerChanges {
  readonly #deps: OwnerChangesDeps

  constructor(deps: OwnerChangesDeps) {
    this.#deps = deps
  }

  /** In pieces, between which other changes are made; what fails in the middle is handed over when it is said again. @throws {MayflyError} OWNER_MISSING */
  async transfer(from: string, to: string, by: Actor): Promise<OwnerEnd> {
    const { owners } = this.#deps.store
    let piece = await owners.transfer(from, to, by)
    const moved = piece
    while (piece.more) piece = await owners.transfer(from, to, by)
    this.#deps.log.info({ event: 'owner.transferred', from, to, ...moved.owned, by: by.name }, 'an owner handed over')
    return { ...moved, more: false, streamSeq: piece.streamSeq }
  }

  /** From its first transaction on nothing is issued for it; resolves when all that it owned has ended. @throws {MayflyError} OWNER_MISSING, EXPECTATION_FAILED when it owns anything and not all of it is to end */
  async remove(name: string, options: RemoveOwnerOptions, by: Actor): Promise<OwnerEnd> {
    const { ends, log } = this.#deps
    const end = await ends.removeOwner(name, options, by)
    if (!options.dryRun) log.info({ event: 'owner.removed', owner: name, ...end.owned, credentials: end.hits.credentials, streamSeq: end.streamSeq, by: by.name }, 'an owner was removed')
    return end
  }
}
