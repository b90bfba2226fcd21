import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { Notifier } from '../notifier.ts'

/** The SPIFFE IDs of the programs that may ask for the identities of others, as the configuration says now; none: nobody may. */
export class AuthorizedDelegates {
  /** Told when they are others than before: streams of one who is no delegate any more end by it. */
  readonly changed: Notifier<void> = new Notifier()
  #ids: ReadonlySet<SpiffeId>

  constructor(ids: readonly SpiffeId[]) {
    this.#ids = new Set(ids)
  }

  get ids(): ReadonlySet<SpiffeId> {
    return this.#ids
  }

  replace(ids: readonly SpiffeId[]): void {
    const next = new Set(ids)
    if (next.size === this.#ids.size && ids.every((id) => this.#ids.has(id))) return
    this.#ids = next
    this.changed.emit()
  }
}
