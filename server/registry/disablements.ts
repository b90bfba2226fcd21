import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { LastingTarget } from '../store/port.ts'

/** What is disabled: IDs, entries, agents and owners, by name. */
export class Disablements {
  readonly #disabled = { id: new Set<string>(), entry: new Set<string>(), agent: new Set<string>(), owner: new Set<string>() }

  set(target: LastingTarget, disabled: boolean): void {
    const name = target.kind === 'entry' ? target.entryId : target.kind === 'owner' ? target.owner : target.id
    if (disabled) this.#disabled[target.kind].add(name)
    else this.#disabled[target.kind].delete(name)
  }

  /** Whether the entry itself, its ID or its owner is. */
  hasEntry({ id, spiffeId, owner }: { readonly id: string; readonly spiffeId: SpiffeId; readonly owner: string }): boolean {
    const { entry, id: ids, owner: owners } = this.#disabled
    return entry.has(id) || ids.has(spiffeId) || (owner !== '' && owners.has(owner))
  }

  hasAgent(id: SpiffeId): boolean {
    return this.#disabled.agent.has(id) || this.#disabled.id.has(id)
  }
}
